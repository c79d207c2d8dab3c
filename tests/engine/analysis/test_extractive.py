from __future__ import annotations

from collections.abc import Sequence
from dataclasses import replace
from datetime import datetime, timedelta, timezone
from time import process_time

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from memoryos_engine.analysis.base import Analyst, FoundFact, HotSegment, PageNote, PendingPage
from memoryos_engine.analysis.extractive import ExtractiveAnalyst
from memoryos_engine.records import DialoguePage, KnowledgeKind, Segment
from memoryos_engine.traits import is_trait_dimension

START = datetime(2024, 5, 1, 9, tzinfo=timezone.utc)
SEGMENT = Segment(id="segment", summary="", keywords=(), created_at=START)
EAST = np.array([1.0, 0.0], dtype=np.float32)
NORTH = np.array([0.0, 1.0], dtype=np.float32)

analyst: Analyst = ExtractiveAnalyst()


def page(user_input: str = "", agent_response: str = "", *, number: int = 0, minutes: float = 0.0) -> DialoguePage:
    return DialoguePage(
        id=f"p{number}",
        session_id="session",
        user_input=user_input,
        agent_response=agent_response,
        timestamp=START + timedelta(minutes=minutes),
        sequence=number,
    )


def note(current: DialoguePage, previous: DialoguePage | None = None, *, similar: bool = False) -> PageNote:
    pending = PendingPage(
        page=current, vector=EAST, previous=previous, previous_vector=EAST if similar else NORTH if previous else None
    )
    return analyst.consolidate([pending], []).notes[0]


def facts(*inputs: str, agent_response: str = "") -> Sequence[FoundFact]:
    pages = [page(text, agent_response, number=i) for i, text in enumerate(inputs)]
    return analyst.promote([HotSegment(segment=SEGMENT, pages=tuple(pages))], [])


def texts(found: Sequence[FoundFact], kind: KnowledgeKind) -> list[str]:
    return [fact.text for fact in found if fact.kind is kind]


HIKE = page("I went hiking in the Alps with my sister.", "Hiking in the Alps sounds wonderful.")


def test_the_first_page_of_a_session_starts_a_chain():
    assert note(HIKE) == PageNote(
        page_id="p0",
        continues=False,
        meta_chain="I went hiking in the Alps with my sister. Hiking in the Alps sounds wonderful.",
        keywords=("alps", "hiking", "sister"),
    )


@pytest.mark.parametrize(
    ("current", "similar", "minutes", "continues"),
    [
        ("The Alps were cold, but hiking warmed us.", False, 5, True),
        ("We saw an eagle near the summit.", True, 5, True),
        ("My printer is broken again.", False, 5, False),
        ("And then?", False, 5, True),
        ("Hello!", False, 5, False),
        ("The Alps were cold, but hiking warmed us.", True, 6 * 60, True),
        ("The Alps were cold, but hiking warmed us.", True, 6 * 60 + 1, False),
        ("And then?", True, 6 * 60 + 1, False),
    ],
)
def test_a_page_continues_when_it_is_alike_or_elliptic_and_not_too_late(current, similar, minutes, continues):
    assert note(page(current, number=1, minutes=minutes), HIKE, similar=similar).continues is continues


def test_a_meta_chain_that_goes_on_quotes_the_chain_so_far_and_the_page():
    previous = replace(HIKE, meta_chain="We planned a trip to the Alps.")
    continued = note(page("The Alps were cold, but hiking warmed us.", number=1), previous, similar=True)
    assert continued.meta_chain == "We planned a trip to the Alps. The Alps were cold, but hiking warmed us."


def test_a_meta_chain_that_breaks_forgets_the_chain_so_far():
    previous = replace(HIKE, meta_chain="We planned a trip to the Alps.")
    assert note(page("My printer is broken again.", number=1), previous).meta_chain == "My printer is broken again."


def test_a_note_just_written_is_what_the_next_page_continues():
    first, second = page("We planned a trip to the Alps."), page("The Alps were cold.", number=1, minutes=1)
    stale = replace(first, meta_chain="Something else entirely was said here.")
    notes = analyst.consolidate(
        [
            PendingPage(page=first, vector=EAST),
            PendingPage(page=second, vector=EAST, previous=stale, previous_vector=EAST),
        ],
        [],
    )
    assert notes.notes[1].meta_chain == "We planned a trip to the Alps. The Alps were cold."


@pytest.mark.parametrize(
    ("text", "expected"),
    [
        ("Tell me about the reactor and the reactor core", ("reactor", "core")),
        ("من قهوه را دوست دارم", ("قهوه", "دوست")),
        ("मुझे कॉफी पसंद है", ("कॉफी", "पसंद")),
        ("我对花生过敏", ("花生过敏",)),
        ("東京でコーヒーを飲む", ("コーヒー", "東京")),
        ("أحب القهوة", ("القهوة", "أحب")),
        ("Me encanta el café", ("encanta", "café")),
        ("l'hôtel de Zoé", ("hôtel", "zoé")),
        ("Hi! Thanks!", ()),
        ("", ()),
    ],
)
def test_keywords_are_the_words_of_the_text_without_function_words(text, expected):
    assert set(note(page(text)).keywords) == set(expected)


def test_keywords_put_what_recurs_and_what_the_user_says_first():
    found = note(page("My telescope shows planets. A telescope!", "Galaxies are wonderful objects."))
    assert found.keywords[:3] == ("telescope", "planets", "shows")


dialogues = st.lists(
    st.tuples(
        st.sampled_from(
            ["I love hiking in the Alps.", "And then?", "My printer is broken.", "Hi!", "我喜欢喝咖啡。", ""]
        )
        | st.text(max_size=60),
        st.sampled_from(["Hiking is healthy.", "Restart the printer.", "Error: 500", ""]),
        st.integers(min_value=0, max_value=400),
        st.sampled_from([0, 1]),
    ),
    min_size=1,
    max_size=12,
)


@settings(deadline=None)
@given(dialogues, st.integers(min_value=1, max_value=12))
def test_notes_do_not_depend_on_how_pages_are_grouped(turns, size):
    vectors = [EAST, NORTH]
    minutes = 0
    pending: list[PendingPage] = []
    for number, (user_input, agent_response, gap, axis) in enumerate(turns):
        minutes += gap
        before = pending[-1] if pending else None
        pending.append(
            PendingPage(
                page=page(user_input, agent_response, number=number, minutes=minutes),
                vector=vectors[axis],
                previous=before.page if before else None,
                previous_vector=before.vector if before else None,
            )
        )
    at_once = list(analyst.consolidate(pending, []).notes)
    grouped: list[PageNote] = []
    for start in range(0, len(pending), size):
        batch = pending[start : start + size]
        if grouped and batch[0].previous is not None:
            noted = replace(batch[0].previous, meta_chain=grouped[-1].meta_chain, keywords=grouped[-1].keywords)
            batch = [replace(batch[0], previous=noted), *batch[1:]]
        grouped += analyst.consolidate(batch, [SEGMENT]).notes
    assert grouped == at_once


@settings(deadline=None)
@given(st.text(max_size=800), st.text(max_size=800))
def test_whatever_is_said_notes_and_summaries_stay_within_their_bounds(user_input, agent_response):
    current = page(user_input, agent_response, number=1)
    written = note(current, replace(current, id="p0", meta_chain=agent_response), similar=True)
    summary = analyst.summarise([current, current])
    assert len(written.meta_chain) <= 240
    assert len(written.keywords) <= 8
    assert len(summary) <= 300
    for fact in analyst.promote([HotSegment(segment=SEGMENT, pages=(current,))], []):
        assert fact.text
        assert len(fact.text) <= 320


def test_a_summary_quotes_the_most_telling_sentences_in_time_order():
    pages = [
        page("Hi!", "Hello! How can I help?"),
        page("My sourdough starter is named Clint Yeastwood.", "Error: 500", number=1),
        page("ok", "Feed the sourdough starter twice a day.", number=2),
    ]
    assert (
        analyst.summarise(pages)
        == "My sourdough starter is named Clint Yeastwood. Feed the sourdough starter twice a day."
    )


def test_a_summary_reads_no_more_than_the_last_fifty_pages():
    old = [page(f"The dragon number {i} sleeps.", number=i) for i in range(10)]
    recent = [page("The printer prints labels.", number=i) for i in range(10, 60)]
    assert analyst.summarise([*old, *recent]) == "The printer prints labels."


def test_a_segment_in_which_nothing_is_said_has_an_empty_summary():
    assert analyst.summarise([page("Hi!", "None"), page("", "Error: 500")]) == ""
    assert analyst.summarise([]) == ""


def test_the_seed_document_gives_name_occupation_and_workplace():
    found = facts("سلام! من تام هستم، به عنوان دانشمند داده در سانفرانسیسکو کار میکنم.")
    assert [fact for fact in found if fact.kind is KnowledgeKind.USER_PROFILE] == [
        FoundFact(kind=KnowledgeKind.USER_PROFILE, text=text, source_page_ids=("p0",), attribute=attribute)
        for attribute, text in (("name", "تام"), ("occupation", "دانشمند داده"), ("workplace", "سانفرانسیسکو"))
    ]


@pytest.mark.parametrize(
    "sentence",
    [
        "I'm allergic to peanuts.",
        "My flight to Lisbon leaves on May 4th.",
        "我对花生过敏。",
        "我养了一只叫小黑的猫。",
        "من قهوه را خیلی دوست دارم و هر روز صبح می‌نوشم.",
        "أنا أحب القهوة كثيرا وأشربها كل صباح.",
        "मुझे कॉफी बहुत पसंद है और मैं रोज़ सुबह पीता हूँ।",
        "Ich habe eine Tochter, die Klavier spielt.",
        "J'ai adopté un chat noir en 2020.",
        "Kahve içmeyi çok seviyorum ama çayı sevmiyorum.",
        "私は毎朝コーヒーを飲むのが好きです。",
        "Me encanta el café de Colombia.",
        "Я люблю кофе и живу в Москве.",
        "저는 매일 아침 커피를 마시는 것을 좋아해요.",
    ],
)
def test_a_fact_is_a_whole_sentence_of_the_user_in_their_language(sentence):
    assert texts(facts(sentence), KnowledgeKind.USER_KNOWLEDGE) == [sentence]


JUNK = [
    "Hi!",
    "Hey Mel! Good to see you!",
    "Thanks a lot for your help with my essay!",
    "Error: 429 rate limit exceeded",
    "Error: openai.APIConnectionError in my code",
    "Traceback (most recent call last):",
    "None",
    "N/A",
    "无",
    "# My heading about my cats",
    "```python\nmy_list = [1, 2]\n```",
    "my_var = foo(bar)",
    "| my | table | row |",
    "> I love my quoted dogs and cats.",
    "<div>I love my dogs and cats.</div>",
    "https://example.com/my/page",
    "ok",
    "I see.",
    "I think so.",
    "I totally agree, Melanie.",
    "I hope you have a great day!",
    "What do I do for work?",
    "How do I bake my bread",
    "Kannst du mir mein Zeugnis übersetzen",
    "اسم من چیست؟",
    "我什么时候开会？",
    "Please write an email to my boss about my holiday.",
    "Help me fix my bicycle chain",
    "لطفا برای من یک ایمیل بنویس",
    "帮我写一封邮件给老板",
    "谢谢你的帮助",
    "Danke für deine Hilfe bei meinem Umzug!",
    "I'm sorry, I can't help you with that.",
    "Paris is the capital of France.",
    "I like " + "very " * 100 + "long sentences.",
    "x" * 5000,
]


@pytest.mark.parametrize("junk", JUNK)
def test_junk_never_becomes_a_fact_whoever_says_it(junk):
    assert facts(junk, agent_response=junk) == []


def test_a_page_gives_at_most_two_facts_of_the_user_and_one_of_the_assistant():
    said = page(
        "I adopted a black cat. My sister plays the violin. I moved house in April. I own a red bicycle.",
        "I recommend the Blue Door cafe in Lisbon. I suggest a walk along the river Tagus afterwards.",
    )
    found = analyst.promote([HotSegment(segment=SEGMENT, pages=(said,))], [])
    assert len(texts(found, KnowledgeKind.USER_KNOWLEDGE)) == 2
    assert len(texts(found, KnowledgeKind.ASSISTANT_KNOWLEDGE)) == 1


@pytest.mark.parametrize(
    "sentence",
    [
        "I recommend the Blue Door cafe in Lisbon for breakfast.",
        "我建议你每天早上喝一杯温水，坚持运动。",
        "Ich empfehle dir das Café am Markt.",
    ],
)
def test_the_assistants_own_recommendations_are_kept(sentence):
    assert facts("Any tips?", agent_response=sentence) == [
        FoundFact(kind=KnowledgeKind.ASSISTANT_KNOWLEDGE, text=sentence, source_page_ids=("p0",))
    ]


def test_what_the_assistant_says_of_the_world_is_not_kept():
    assert facts("", agent_response="Lisbon is the capital of Portugal. It lies on the river Tagus.") == []


def test_a_fact_said_twice_is_one_with_both_sources():
    assert facts("I'm allergic to peanuts.", "I'm allergic to peanuts.") == [
        FoundFact(kind=KnowledgeKind.USER_KNOWLEDGE, text="I'm allergic to peanuts.", source_page_ids=("p0", "p1"))
    ]


def traits(*inputs: str) -> list[tuple[str, str, str, tuple[str, ...]]]:
    return [
        (fact.attribute, fact.level, fact.text, fact.source_page_ids)
        for fact in facts(*inputs)
        if fact.kind is KnowledgeKind.USER_TRAIT
    ]


def test_liking_and_disliking_are_traits_that_quote_the_words():
    assert traits("I love cooking, but not cars. I don't like football.") == [
        ("gourmet food", "more", 'said "I love cooking, but not cars."', ("p0",)),
        ("sports", "less", 'said "I don\'t like football."', ("p0",)),
    ]


def test_the_latest_word_on_a_topic_wins():
    assert traits("I hate hiking.", "I love hiking now.") == [
        ("outdoors", "more", 'said "I love hiking now."', ("p1",))
    ]


def test_a_topic_that_comes_up_on_three_pages_is_an_interest_and_on_two_is_not():
    mentions = ("The museums were closed.", "My guitar lost a string.", "A new guitar is dear.")
    assert traits(*mentions) == []
    assert traits(*mentions, "Old guitar strings rust.") == [
        ("music", "more", 'came up on 3 pages: "guitar"', ("p1", "p2", "p3"))
    ]


@pytest.mark.parametrize(
    "text", ["Do I like football?", "I would like a football.", "I love that you play football.", "She loves football."]
)
def test_a_topic_that_the_user_does_not_say_they_like_is_no_trait(text):
    assert traits(text) == []


@settings(deadline=None)
@given(
    st.lists(
        st.sampled_from(["I love pets, cats and books.", "I hate gym and law.", "My dogs like concerts."]), max_size=5
    )
)
def test_every_trait_is_one_of_the_ninety_dimensions(inputs):
    assert all(
        is_trait_dimension(attribute) and level in {"more", "less"} for attribute, level, _, _ in traits(*inputs)
    )


@pytest.mark.parametrize("piece", ["I love my dog Rex. ", "x", "my ", "? ", "我喜欢", "a b\n", "(", "```", "من "])
def test_a_megabyte_in_one_page_takes_less_than_a_second(piece):
    long = page(piece * (1_000_000 // len(piece)), piece * (1_000_000 // len(piece)))
    started = process_time()
    note(long, replace(long, id="before"))
    analyst.summarise([long])
    analyst.promote([HotSegment(segment=SEGMENT, pages=(long,))], [])
    assert process_time() - started < 1.0
