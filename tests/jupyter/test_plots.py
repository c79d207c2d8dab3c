"""What the plots draw, read from their artists."""

from __future__ import annotations

import base64
import io
import math
import sys
from itertools import pairwise
from subprocess import run

import matplotlib
import numpy as np
import pytest
from IPython.core.formatters import DisplayFormatter
from matplotlib.colors import to_rgb
from matplotlib.figure import Figure
from matplotlib.text import Text
from PIL import Image

from memoryos_engine import InvalidInput, MemoryOS
from memoryos_integrations.jupyter.plot_style import COLOURS, INK
from memoryos_integrations.jupyter.plot_text import drawable, spread
from memoryos_integrations.jupyter.plots import plot_heat, plot_segments, plot_tokens
from memoryos_integrations.jupyter.segment_map import segment_positions
from memoryos_integrations.jupyter.watch import MemoryWatch
from tests.tagged import remember, tagged

HOSTILE = (
    "$\\frac{1}{0$",
    "$x^$ \\undefined{",
    "a\x00b\x1b[31mred\x07",
    "\u202eabc\u2066def\u2069",
    "سلام کتاب‌ها",
    "中文 \U0001f9ff \ue000 \U000e0041 \u0378",
    "z" + "\u0301\u0489" * 40,
    "👩‍👩‍👧 \ufe0f",
    "%s {0} <b>",
    " \t\n",
)


def filled(open_system, clock, **settings):
    """A memory of three topics and a watch that looked at it on four days: #a is promoted, evicted and back."""
    memory = tagged(open_system, mid_term_capacity=2, **settings)
    watch = MemoryWatch(memory)
    for lines in (("#b 0", "#a 0"), [f"#a {number}" for number in range(1, 5)], ("#c 0", "#c 1")):
        remember(memory, *lines)
        watch.look()
        clock.advance(days=30)
    memory.retrieve_memory("#a 0", top_k=1)
    memory.flush()
    watch.look("asked about a")
    return memory, watch


def lines(plot, *, where: str) -> dict[str, list[float]]:
    """The data of each line across ("x") or up ("y"), by what it is of."""
    found = {line.get_gid() or line.get_label(): line for line in plot.axes[0].lines}
    return {key: list(getattr(line, f"get_{where}data")()) for key, line in found.items()}


def texts(plot) -> list[str]:
    return [text.get_text() for text in plot.findobj(Text) if text.get_text()]


def marks(plot, gid: str) -> list[tuple[float, float]]:
    (dots,) = (each for each in plot.axes[0].collections if each.get_gid() == gid)
    return [tuple(map(float, place)) for place in dots.get_offsets()]


def contrast(colour, ground) -> float:
    def luminance(name) -> float:
        linear = [part / 12.92 if part <= 0.04045 else ((part + 0.055) / 1.055) ** 2.4 for part in to_rgb(name)]
        return float(np.dot(linear, (0.2126, 0.7152, 0.0722)))

    dark, light = sorted((luminance(colour), luminance(ground)))
    return (light + 0.05) / (dark + 0.05)


# -- heat --------------------------------------------------------------------------


def test_the_lines_are_the_heats_that_were_noted(open_system, clock):
    """One line for each segment; it breaks off where a segment was not in mid-term memory."""
    _, watch = filled(open_system, clock)
    drawn = lines(plot_heat(watch), where="y")
    ids = {each.segment_id for look in watch.looks for each in look.segments}

    assert ids <= drawn.keys()
    for key in ids:
        noted = [{each.segment_id: each.heat for each in look.segments}.get(key) for look in watch.looks]
        assert [None if math.isnan(value) else value for value in drawn[key]] == noted


def test_looks_lie_at_their_dates_when_time_passes(open_system, clock):
    _, watch = filled(open_system, clock)
    across = next(iter(lines(plot_heat(watch), where="x").values()))

    assert across == [matplotlib.dates.date2num(look.at) for look in watch.looks]


def test_looks_are_numbered_when_no_time_passes(open_system):
    memory = tagged(open_system)
    watch = MemoryWatch(memory)
    for number in range(3):
        remember(memory, f"#a {number}")
        watch.look()
    plot = plot_heat(watch)

    assert next(iter(lines(plot, where="x").values())) == [1, 2, 3]
    assert plot.axes[0].get_xlabel() == "look"


def test_what_happened_is_marked_where_it_was_seen(open_system, clock):
    _, watch = filled(open_system, clock)
    plot = plot_heat(watch)
    kinds = {event.kind.value for event in watch.events}

    assert {"promoted", "evicted", "returned"} <= kinds
    for kind in kinds:
        expected = [(matplotlib.dates.date2num(e.at), e.heat) for e in watch.events if e.kind.value == kind]
        np.testing.assert_allclose(marks(plot, kind), expected)
    (legend,) = plot.legends
    assert {text.get_text() for text in legend.get_texts()} == kinds


def test_tau_is_a_dashed_line_with_its_name(open_system, clock):
    _, watch = filled(open_system, clock)
    plot = plot_heat(watch)

    assert lines(plot, where="y")["tau"] == [5.0, 5.0]
    assert "tau 5" in [tick.get_text() for tick in plot.axes[0].get_yticklabels()]


def test_a_tau_out_of_reach_does_not_flatten_the_picture(open_system):
    memory = tagged(open_system, heat_threshold=1e9)
    remember(memory, "#a 0")
    watch = MemoryWatch(memory)
    watch.look()
    plot = plot_heat(watch)

    assert "tau" not in lines(plot, where="y")
    assert plot.axes[0].get_ylim()[1] < 10


def test_the_eight_hottest_are_coloured_and_named_apart(open_system):
    memory = tagged(open_system, heat_threshold=1e9)
    remember(memory, *(f"#{topic} {number}" for topic in "abcdefghij" for number in range(1 + (topic > "b"))))
    watch = MemoryWatch(memory)
    watch.look()
    plot = plot_heat(watch)
    colours = [line.get_color() for line in plot.axes[0].lines if line.get_gid().startswith("segment")]
    plot.png()  # names get their places when they are drawn
    names = [text for text in plot.axes[0].texts if text.get_text().startswith("3.0")]
    boxes = sorted((Text.get_window_extent(text, plot.renderer) for text in names), key=lambda box: box.y0)

    assert sorted(colours) == sorted([*COLOURS, INK, INK])
    assert sorted(text.get_text() for text in names) == [f"3.0 {topic}" for topic in "cdefghij"]
    assert all(upper.y0 >= lower.y1 for lower, upper in pairwise(boxes))


def test_a_named_moment_is_written_above_its_look(open_system, clock):
    _, watch = filled(open_system, clock)

    assert "asked about a" in texts(plot_heat(watch))


@pytest.mark.parametrize("looked", [False, True])
def test_a_watch_that_saw_no_segment_cannot_be_plotted(open_system, looked):
    watch = MemoryWatch(tagged(open_system))
    if looked:
        watch.look()
    with pytest.raises(InvalidInput, match=r"^watch has seen no segment\. Call watch\.look\(\)"):
        plot_heat(watch)


# -- the map -----------------------------------------------------------------------


def test_segments_lie_where_the_map_says_as_large_as_their_pages(open_system):
    memory = tagged(open_system)
    remember(
        memory, *(f"#{topic} {number}" for topic, pages in (("a", 1), ("b", 3), ("c", 2)) for number in range(pages))
    )
    plot = plot_segments(memory)
    a, b, c = segment_positions(np.stack(list(memory.segment_vectors().values()))).tolist()
    (dots,) = (each for each in plot.axes[0].collections if each.get_gid() == "segments")
    sizes = list(dots.get_sizes())

    assert marks(plot, "segments") == [pytest.approx(place) for place in (b, c, a)]  # the largest lowest
    assert sizes[0] - sizes[1] == pytest.approx(sizes[1] - sizes[2])
    assert list(dots.get_array()) == [4.0, 3.0, 2.0]
    assert {"a", "b", "c"} <= set(texts(plot))


def test_the_colours_of_heat_are_explained_with_tau(open_system, clock):
    memory, _ = filled(open_system, clock, heat_threshold=2.5)
    labels = [tick.get_text() for tick in plot_segments(memory).axes[1].get_yticklabels()]

    assert labels[0] == "0"
    assert "tau\n2.5" in labels


def test_a_query_is_a_star_with_a_line_to_each_segment_found(open_system):
    memory = tagged(open_system)
    remember(memory, "#a 0", "#b 0", "#c 0")
    found = memory.retrieve_memory("#b 0", touch=False).pages
    plot = plot_segments(memory, "#b 0")
    (star,) = marks(plot, "query")
    drawn = {key: line for key, line in lines(plot, where="x").items() if key.startswith("found ")}
    spots = dict(
        zip(memory.segment_vectors(), segment_positions(np.stack([*memory.segment_vectors().values()])), strict=True)
    )

    assert set(drawn) == {f"found {page.segment_id}" for page in found if page.segment_id}
    assert all(line[0] == pytest.approx(star[0]) for line in drawn.values())
    assert min(spots, key=lambda key: np.linalg.norm(spots[key] - star)) == memory.segments()[1].id
    assert "★ #b 0" in texts(plot)


def test_looking_counts_no_visit(open_system):
    memory = tagged(open_system)
    remember(memory, "#a 0")
    plot_segments(memory, "#a 0")
    memory.flush()

    assert [segment.visits for segment in memory.segments()] == [0]


def test_names_on_the_map_do_not_meet(open_system):
    memory = open_system(similarity_threshold=1.9, short_term_capacity=1).memory("tom")
    memory.import_turns({"user_input": f"Harbour number {n} has boat {n * 7} and keel {n * n}."} for n in range(40))
    memory.flush()
    plot = plot_segments(memory, "Which harbour?")
    boxes = [text.get_window_extent(plot.renderer) for text in plot.axes[0].texts]

    assert len(memory.segment_vectors()) == 40
    assert len(boxes) > 3
    assert [index for index, box in enumerate(boxes) if box.count_overlaps(boxes) > 1] == []


@pytest.mark.parametrize("count", [1, 2])
def test_the_smallest_memories_have_a_map(open_system, count):
    memory = tagged(open_system)
    remember(memory, *["#a 0", "#b 0"][:count])

    assert len(marks(plot_segments(memory, "#a"), "segments")) == count


def test_a_memory_without_segments_has_no_map(open_system):
    with pytest.raises(InvalidInput, match=r"^memory has no segment in mid-term memory\. Pages join segments"):
        plot_segments(tagged(open_system))


def test_an_empty_query_is_refused(open_system):
    memory = tagged(open_system)
    remember(memory, "#a 0")
    with pytest.raises(InvalidInput, match="query"):
        plot_segments(memory, "  ")


# -- tokens ------------------------------------------------------------------------


def test_tokens_are_two_lines_with_their_last_figures(open_system):
    memory = tagged(open_system)
    watch = MemoryWatch(memory)
    for number in range(3):
        memory.add_memory("#a " + "x" * 1000)
        watch.sent("y" * (10 + number), counter=len)
    plot = plot_tokens(watch)

    assert lines(plot, where="y") == {"full history": [1003, 2006, 3009], "with memory": [10, 11, 12]}
    assert lines(plot, where="x")["with memory"] == [1, 2, 3]
    assert {"full history\n3,009", "with memory\n12"} <= set(texts(plot))


def test_one_turn_and_no_tokens_can_be_plotted(open_system):
    watch = MemoryWatch(tagged(open_system))
    watch.sent("")

    assert plot_tokens(watch).png().startswith(b"\x89PNG")


def test_a_watch_without_turns_has_no_tokens(open_system):
    with pytest.raises(InvalidInput, match=r"^watch has noted no turn\. Call watch\.sent\(prompt\)"):
        plot_tokens(MemoryWatch(tagged(open_system)))


# -- what a notebook shows ---------------------------------------------------------


@pytest.fixture
def plots(open_system, clock):
    memory, watch = filled(open_system, clock)
    watch.sent("hello")
    return [plot_heat(watch), plot_segments(memory, "#a"), plot_tokens(watch)]


def test_a_plot_shows_itself_sharp_small_and_in_words(plots):
    for plot in plots:
        data, metadata = DisplayFormatter().format(plot)
        png = base64.b64decode(data["image/png"])
        picture, shown = Image.open(io.BytesIO(png)), metadata["image/png"]

        assert isinstance(plot, Figure)
        assert data["text/plain"] == plot.words == shown["alt"]
        # Matplotlib before 3.11 drops what is left of a pixel.
        assert [2 * shown["width"] - picture.width, 2 * shown["height"] - picture.height] in ([0, 0], [0, 1])
        assert picture.convert("RGBA").getpixel((0, 0))[3] == 0
        assert len(png) < 120_000


def test_the_words_say_what_the_pictures_show(plots):
    heat, segments, tokens = (plot.words for plot in plots)

    assert heat.startswith("Heat of 3 segments at 4 looks, 2024-03-01 to 2024-05-30: 1 promoted")
    assert segments.startswith("Map of 2 segments with ")
    assert "For “#a” pages were found in: " in segments
    assert tokens.startswith("Tokens sent in each of 1 turns; in the last ")


def test_plots_leave_nothing_behind(plots):
    """No figure is kept open by pyplot, and the user's own settings stay."""
    before = dict(matplotlib.rcParams)
    for plot in plots:
        plot.png()

    assert dict(matplotlib.rcParams) == before
    code = "import sys, memoryos_integrations.jupyter.plots; sys.exit('matplotlib.pyplot' in sys.modules)"
    assert run([sys.executable, "-W", "ignore", "-c", code], check=False).returncode == 0


def test_the_users_own_style_does_not_break_a_plot(plots, open_system):
    with matplotlib.rc_context({"text.usetex": True, "text.color": "white", "font.family": "No Such Font"}):
        assert [plot.png()[:4] for plot in plots] == [b"\x89PNG"] * 3


def test_text_and_lines_can_be_read_on_white_and_on_black():
    for colour in (INK, *COLOURS):
        assert min(contrast(colour, "white"), contrast(colour, "#111111")) >= 4


# -- stored text -------------------------------------------------------------------


def hostile_memory(system: MemoryOS):
    memory = system.memory("tom")
    memory.import_turns({"user_input": f"{text} {text}", "agent_response": text} for text in HOSTILE if text.strip())
    memory.flush()
    return memory


@pytest.mark.parametrize("text", HOSTILE)
def test_no_stored_text_is_obeyed_or_breaks_a_picture(open_system, text):
    """Whatever keywords and queries hold: no mathematics, no control signs, no warning of missing glyphs."""
    memory = hostile_memory(open_system(short_term_capacity=1, similarity_threshold=1.9))
    watch = MemoryWatch(memory)
    watch.look(text)
    plot = plot_segments(memory, text if text.strip() else "x")
    written = "".join(texts(plot) + texts(plot_heat(watch)))

    assert plot.png().startswith(b"\x89PNG")
    assert plot_heat(watch).png().startswith(b"\x89PNG")
    assert not set(written) & set("\x00\x07\x1b\u202e\u2066\u2069\ue000\U000e0041")


@pytest.mark.parametrize(
    ("stored", "drawn"),
    [
        ("$x^2$", "$x^2$"),
        ("a\u202eb", "a�b"),
        ("a\ue000b", "a□b"),
        ("a\U000e0041b", "ab"),
        ("one\ntwo", "one two"),
        ("سلام", "سلام"),
    ],
)
def test_what_no_font_has_is_replaced(stored, drawn):
    assert drawable(stored, limit=40)[0] == drawn


def test_a_text_asks_only_for_the_fonts_it_needs():
    assert drawable("boat سلام", limit=40)[1] == ["DejaVu Sans"]


# -- names side by side ------------------------------------------------------------


@pytest.mark.parametrize(
    ("wanted", "heights"),
    [
        ([], []),
        ([5.0], [5.0]),
        ([1.0, 5.0], [1.0, 5.0]),
        ([5.0, 5.0], [4.5, 5.5]),
        ([5.5, 5.0, 5.0], [6.1666, 4.1666, 5.1666]),
        ([0.0, 0.0], [0.0, 1.0]),
        ([10.0, 9.9], [10.0, 9.0]),
        ([5.0] * 13, [float(height) for height in range(13)]),
    ],
)
def test_names_are_spread_no_more_than_needed(wanted, heights):
    assert spread(wanted, gap=1.0, low=0.0, high=10.0) == pytest.approx(heights, abs=1e-3)
