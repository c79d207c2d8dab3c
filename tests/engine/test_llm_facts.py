"""What a chat model finds in hot segments, as long-term memory keeps it (paper §3.2, §3.3).

Through the real engine; consolidation is answered by the stand-in, promotion by the script.
"""

from __future__ import annotations

import json
from collections.abc import Sequence
from datetime import datetime, timezone
from itertools import count

import pytest

from memoryos_engine import (
    DialoguePage,
    KnowledgeKind,
    ManualClock,
    MemoryOS,
    MemorySettings,
    ModelError,
    Owner,
    ScriptedChatModel,
    Segment,
    trouble,
)
from memoryos_engine.analysis.base import FoundFact, HotSegment
from memoryos_engine.analysis.llm import LLMAnalyst
from memoryos_engine.evaluation.stand_in import reply as stand_in
from memoryos_engine.long_term import MAX_SOURCES, absorb, least_useful
from memoryos_engine.traits import TRAIT_DIMENSIONS

OLD, NEW, LAST = "2015-01-01T00:00:00Z", "2020-01-01T00:00:00Z", "2022-01-01T00:00:00Z"
PROFILE, TRAIT = KnowledgeKind.USER_PROFILE, KnowledgeKind.USER_TRAIT
USER, ASSISTANT = KnowledgeKind.USER_KNOWLEDGE, KnowledgeKind.ASSISTANT_KNOWLEDGE


def fact(text: str, *pages: str, **changed):
    parts = {"subject": "user", "attribute": "", "repeats": None, "replaces": None, "pages": list(pages or ["p1"])}
    return {"fact": text, **parts, **changed}


def field(name: str, value: object, *pages: str):
    return {"field": name, "value": value, "pages": list(pages or ["p1"])}


def trait(dimension: str, level: str, reason: str, *pages: str):
    return {"dimension": dimension, "level": level, "reason": reason, "pages": list(pages or ["p1"])}


class Teller:
    """Somebody who says things, and a model that finds what the test says it does."""

    def __init__(self, system: MemoryOS, model: ScriptedChatModel, user_id: str) -> None:
        self.memory = system.memory(user_id)
        self._model = model

    def told(self, said: str | Sequence[str], *, at: str | None = None, answered: str = "", **lists):
        """Say something, and have it promoted with a reply of these lists."""
        for text in [said] if isinstance(said, str) else said:
            self.memory.add_memory(text, answered, timestamp=at)
        reply = {"profile": [], "traits": [], "user_facts": [], "assistant_facts": [], **lists}
        self._model.enqueue(stand_in, json.dumps(reply, ensure_ascii=False))
        try:
            self.memory.flush()
        finally:
            self._model._replies.clear()
        return self

    def known_facts(self) -> str:
        """What the last request for facts showed as known."""
        bodies = [request[-1].content for request in self._model.requests]
        shown = [body for body in bodies if body.startswith("# Known facts\n")][-1]
        return shown.removeprefix("# Known facts\n").partition("# Pages\n")[0]

    def texts(self, *, history: bool = False) -> list[str]:
        return [entry.text for entry in self.memory.knowledge(history=history)]

    def history(self) -> list[tuple[str, str, int | None]]:
        """Text, attribute and the year it ended of everything ever known."""
        entries = self.memory.knowledge(history=True)
        return [(each.text, each.attribute, each.valid_until and each.valid_until.year) for each in entries]

    def fields(self, as_of: str | None = None) -> dict[str, str]:
        return dict(self.memory.get_user_profile(as_of=as_of).fields)

    def recalled(self, query: str, as_of: str | None = None) -> list[str]:
        """The facts that a retrieval brings."""
        found = self.memory.retrieve_memory(query, touch=False, as_of=as_of)
        return sorted(each.text for each in found.user_knowledge)


@pytest.fixture(scope="module")
def model() -> ScriptedChatModel:
    return ScriptedChatModel(otherwise=stand_in)


@pytest.fixture(scope="module")
def shared(tmp_path_factory, model):
    options = MemorySettings(short_term_capacity=1, heat_threshold=0.0, consolidation_delay=3600.0)
    clock = ManualClock("2024-03-01T12:00:00+00:00")
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(trouble, "FIRST_PAUSE", 300.0)  # a failure is tried again when the test says so
        with MemoryOS(tmp_path_factory.mktemp("facts") / "store", settings=options, clock=clock, llm=model) as system:
            yield system


_USERS = count()


@pytest.fixture
def tom(shared, model) -> Teller:
    """Somebody new, beside all others of the module."""
    return Teller(shared, model, f"tom {next(_USERS)}")


# -- one fact, one entry ------------------------------------------------------------------------


def test_a_fact_said_a_thousand_times_is_one_entry_and_the_others_survive():
    """P-14, capacity 100: a model that finds the same tea in a thousand pages pushes nothing out."""
    owner, known = Owner(user_id="tom", assistant_id="assistant"), {}
    start = datetime(2024, 1, 1, tzinfo=timezone.utc)
    pages = {
        f"page_{at}": DialoguePage(
            id=f"page_{at}", session_id="s", user_input="x", agent_response="", timestamp=start, sequence=at
        )
        for at in range(1099)
    }
    ids = list(pages)
    others = [FoundFact(kind=USER, text=f"Owns book {at}", source_page_ids=(ids[at],)) for at in range(99)]
    known |= absorb(known, others, pages, owner)
    for page_id in ids[99:]:
        known |= absorb(known, [FoundFact(kind=USER, text="Likes tea", source_page_ids=(page_id,))], pages, owner)
    tea = [entry for entry in known.values() if entry.text == "Likes tea"]
    assert [(entry.repetitions, entry.source_page_ids) for entry in tea] == [(1000, tuple(ids[-MAX_SOURCES:]))]
    assert len(known) == 100
    assert least_useful(known.values(), capacity=100, now=start, time_constant=1e7) == []


def test_a_fact_found_again_and_again_is_one_entry_through_the_engine(open_system):
    """P-14: the same with pages, batches and a capacity that is full."""
    model = ScriptedChatModel(otherwise=stand_in)
    system = open_system(short_term_capacity=1, heat_threshold=0.0, knowledge_capacity=9, llm=model)
    tom = Teller(system, model, "tom")
    topics = ("chess", "bees", "rivers", "knots", "trains", "moss", "owls", "salt")
    others = [f"I own a book on {topic}." for topic in topics]
    tom.told(others, user_facts=[fact(text, f"p{at}") for at, text in enumerate(others, start=1)])
    for _ in range(4):
        tom.told(["I like tea."] * 9, user_facts=[fact("The user likes tea.", f"p{at}") for at in range(1, 10)])
    assert sorted(tom.texts()) == sorted([*others, "The user likes tea."])
    (tea,) = [entry for entry in tom.memory.knowledge() if "tea" in entry.text]
    assert (tea.repetitions, len(tea.source_page_ids)) == (36, MAX_SOURCES)


def test_one_page_cannot_repeat_a_fact(tom):
    """P-13: a fact listed three times for its page was said once."""
    tom.told("I am allergic to penicillin.", user_facts=[fact("Is allergic to penicillin.")] * 3)
    assert [(each.text, each.repetitions) for each in tom.memory.knowledge()] == [("Is allergic to penicillin.", 1)]


def test_a_label_says_that_a_fact_in_other_words_is_known(tom):
    """§3.2; our decision: a repetition refreshes the entry and keeps its words."""
    tom.told("I am allergic to penicillin.", at=OLD, user_facts=[fact("The user is allergic to penicillin.")])
    tom.told("Penicillin: I'm allergic.", at=NEW, user_facts=[fact("Allergic to penicillin", repeats="k1")])
    assert tom.known_facts() == "k1 The user is allergic to penicillin.\n"
    (entry,) = tom.memory.knowledge(history=True)
    assert (entry.text, entry.repetitions, entry.said_at.year) == ("The user is allergic to penicillin.", 2, 2015)
    assert entry.source_page_ids == tuple(page.id for page in tom.memory.pages())


def test_a_known_fact_in_its_own_words_needs_no_label(tom):
    """P-14: case, spacing and a full stop make no second fact."""
    tom.told("I am allergic to penicillin.", user_facts=[fact("Is allergic to penicillin.")])
    tom.told("I am allergic to penicillin!", user_facts=[fact("is  allergic to Penicillin")])
    assert [(each.text, each.repetitions) for each in tom.memory.knowledge()] == [("Is allergic to penicillin.", 2)]


@pytest.mark.parametrize("label", ["k1", "1"])
def test_a_false_claim_to_repeat_something_does_not_swallow_a_new_fact(tom, label):
    """Invariant 3: a label is a claim; a fact with nothing in common with what it names is new."""
    tom.told("I am allergic to penicillin.", user_facts=[fact("The user is allergic to penicillin.")])
    tom.told("My sister Ann moved to Oslo.", user_facts=[fact("Sister Ann moved to Oslo.", repeats=label)])
    assert tom.texts() == ["The user is allergic to penicillin.", "Sister Ann moved to Oslo."]


@pytest.mark.parametrize(
    ("first", "second"),
    [
        ("I am allergic to penicillin.", "I am allergic to peanuts."),
        ("My cat is called Felix.", "My dog is called Felix."),
        ("I take 5 mg of warfarin daily.", "I take 10 mg of ramipril daily."),
    ],
)
def test_a_false_claim_does_not_swallow_a_fact_that_is_only_alike(tom, first, second):
    """Invariant 3: peanuts are not penicillin; who says one thing more has not repeated the other."""
    tom.told(first, user_facts=[fact(first)])
    tom.told(second, user_facts=[fact(second, repeats="k1")])
    assert tom.texts() == [first, second]


@pytest.mark.parametrize("label", ["k2", "p1", ""])
def test_a_label_of_nothing_repeats_nothing(tom, label):
    """Our decision: a label that was not shown is no reason to lose a fact."""
    tom.told("I am allergic to penicillin.", user_facts=[fact("Is allergic to penicillin.")])
    tom.told("I am afraid of spiders.", user_facts=[fact("Is afraid of spiders.", repeats=label, replaces=label)])
    assert tom.texts() == ["Is allergic to penicillin.", "Is afraid of spiders."]


# -- facts in time ------------------------------------------------------------------------------


HOMES = {
    "English": ("I live in Paris.", "Paris", "I moved to Tokyo.", "Tokyo"),
    "Persian": ("من در پاریس زندگی می‌کنم.", "پاریس", "من به توکیو نقل مکان کردم.", "توکیو"),
    "Chinese": ("我住在巴黎的一个小区。", "巴黎", "我去年搬到东京工作了。", "东京"),
    "English, then Persian": ("I live in Paris.", "Paris", "من به توکیو نقل مکان کردم.", "توکیو"),
    "Persian, then Chinese": ("من در پاریس زندگی می‌کنم.", "پاریس", "我去年搬到东京工作了。", "东京"),
    "Chinese, then English": ("我住在巴黎的一个小区。", "巴黎", "I moved to Tokyo.", "Tokyo"),
    "Spanish": ("Vivo en París con mi perro.", "París", "Me mudé a Tokio con mi familia.", "Tokio"),
    "French": ("J'habite à Marseille avec mes enfants.", "Marseille", "Je vis à Tokyo maintenant.", "Tokyo"),
    "Arabic": ("أعيش في القاهرة مع عائلتي.", "القاهرة", "انتقلت إلى بيروت.", "بيروت"),
    "Hindi": ("मैं दिल्ली में रहता हूँ।", "दिल्ली", "मैं मुंबई चला गया।", "मुंबई"),
    "Japanese": ("東京に住んでいます。", "東京", "大阪に引っ越しました。", "大阪"),
}


@pytest.mark.parametrize(("first", "old", "second", "new"), HOMES.values(), ids=HOMES)
def test_a_new_home_ends_the_old_one_which_stays_in_history(tom, first, old, second, new):
    """P-15: newest wins by default, `as_of` returns the old, whatever language each was said in."""
    tom.told(first, at=OLD, profile=[field("home", old)]).told(second, at=NEW, profile=[field("home", new)])
    assert (tom.fields(), tom.fields("2017-05-04"), tom.fields("2014-05-04")) == ({"home": new}, {"home": old}, {})
    assert tom.history() == [(old, "home", 2020), (new, "home", None)]
    assert dict(tom.memory.retrieve_memory("?", as_of="2017-05-04").user_profile.fields) == {"home": old}
    assert dict(tom.memory.retrieve_memory("?").user_profile.fields) == {"home": new}
    assert [entry.source_page_ids for entry in tom.memory.knowledge(history=True)] == [
        (page.id,) for page in tom.memory.pages()
    ]


CARS = {
    "English": ("I drive a Fiat.", "Drives a Fiat.", "I drive a Volvo now.", "Drives a Volvo now."),
    "Persian": ("من یک پراید دارم.", "یک پراید دارد.", "حالا یک پژو دارم.", "حالا یک پژو دارد."),
    "Chinese": ("我开一辆菲亚特汽车。", "开一辆菲亚特汽车。", "我现在开沃尔沃汽车了。", "现在开沃尔沃汽车。"),
    "English, then Chinese": ("I drive a Fiat.", "Drives a Fiat.", "我现在开沃尔沃汽车了。", "现在开沃尔沃汽车。"),
}


@pytest.mark.parametrize(("first", "old", "second", "new"), CARS.values(), ids=CARS)
def test_a_fact_that_replaces_another_on_its_attribute_ends_it(tom, first, old, second, new):
    """P-15, for knowledge: the attribute is the key, in English whatever the language of the fact."""
    tom.told(first, at=OLD, user_facts=[fact(old, attribute="car")])
    tom.told(second, at=NEW, user_facts=[fact(new, attribute="Car", replaces="k1")])
    assert tom.known_facts() == f"k1 [car] {old}\n"
    assert tom.history() == [(old, "car", 2020), (new, "car", None)]
    assert (tom.recalled(first), tom.recalled(first, as_of="2017-05-04"), tom.recalled(first, as_of="2014-05-04")) == (
        [new],
        [old],
        [],
    )


def test_old_and_new_in_one_reply_follow_each_other_in_the_order_they_were_said(tom):
    """P-15: the dates of the pages decide, not the order of the list."""
    tom.memory.add_memory("I live in Paris.", timestamp=OLD)
    tom.told("I moved to Tokyo.", at=NEW, profile=[field("home", "Tokyo", "p2"), field("home", "Paris", "p1")])
    assert tom.history() == [("Paris", "home", 2020), ("Tokyo", "home", None)]


def test_a_profile_field_told_as_a_fact_is_the_profile_field(tom):
    """Our decision: one place for what has one value; whichever list the model puts it in."""
    tom.told("I live in Paris.", at=OLD, user_facts=[fact("Lives in Paris.", attribute="residence")])
    tom.told("I moved to Tokyo.", at=NEW, profile=[field("home", "Tokyo")])
    assert tom.history() == [("Lives in Paris.", "home", 2020), ("Tokyo", "home", None)]


LIKES = ["hobby", "likes", "interest", "favourite activity", "Likes to do"]


@pytest.mark.parametrize(
    ("attribute", "replaces"), [("", None), ("", "k1"), ("hobby", None), *((each, "k1") for each in LIKES)]
)
def test_who_likes_sailing_has_not_stopped_liking_hiking(tom, attribute, replaces):
    """P-15, the other way round: what one can have many of supersedes nothing, whatever the model claims."""
    tom.told("I like hiking.", at=OLD, user_facts=[fact("The user likes hiking.", attribute=attribute)])
    tom.told("I like sailing.", at=NEW, user_facts=[fact("Likes sailing.", attribute=attribute, replaces=replaces)])
    assert tom.texts() == ["The user likes hiking.", "Likes sailing."]
    assert [until for _, _, until in tom.history()] == [None, None]


@pytest.mark.parametrize("replaces", [None, "k2"])
def test_an_attribute_alone_ends_nothing(tom, replaces):
    """Our decision: only a fact that names the one it replaces ends it; both stay, and the model may say so later."""
    tom.told("I drive a Fiat.", at=OLD, user_facts=[fact("Drives a Fiat.", attribute="car")])
    tom.told("I drive a Volvo.", at=NEW, user_facts=[fact("Drives a Volvo.", attribute="car", replaces=replaces)])
    assert tom.history() == [("Drives a Fiat.", "car", None), ("Drives a Volvo.", "", None)]


@pytest.mark.parametrize("attribute", ["", "boat", "car colour"])
def test_to_replace_a_fact_with_another_attribute_does_nothing(tom, attribute):
    """Our decision: a boat is no car, whatever label the model gives."""
    tom.told("I drive a Fiat.", at=OLD, user_facts=[fact("Drives a Fiat.", attribute="car")])
    tom.told("I sail a Hallberg.", at=NEW, user_facts=[fact("Sails a Hallberg.", attribute=attribute, replaces="k1")])
    assert tom.history() == [("Drives a Fiat.", "car", None), ("Sails a Hallberg.", attribute, None)]


SISTERS = {
    "English": ("I live in Paris.", "Paris", "My sister Ann lives in Oslo.", "Sister Ann lives in Oslo."),
    "Persian": ("من در پاریس زندگی می‌کنم.", "پاریس", "خواهرم در اسلو زندگی می‌کند.", "خواهرش در اسلو زندگی می‌کند."),
    "Chinese": ("我住在巴黎的一个小区。", "巴黎", "我姐姐住在奥斯陆的郊区。", "姐姐住在奥斯陆的郊区。"),
    "English, then Persian": (
        "I live in Paris.",
        "Paris",
        "خواهرم در اسلو زندگی می‌کند.",
        "خواهرش در اسلو زندگی می‌کند.",
    ),
}


@pytest.mark.parametrize(
    ("language", "subject", "replaces"),
    [
        ("English", "sister", None), ("English", "sister", "k1"), ("English", "Ann", "k1"), ("Persian", "خواهر", "k1"),
        ("Persian", "sister", None), ("Chinese", "姐姐", "k1"), ("English, then Persian", "sister", "k1"),
    ],
)  # fmt: skip
def test_a_sisters_home_is_not_the_users(tom, language, subject, replaces):
    """P-15: facts on different subjects never follow each other."""
    first, home, second, hers = SISTERS[language]
    tom.told(first, at=OLD, profile=[field("home", home)])
    said = fact(hers, subject=subject, attribute="home", replaces=replaces)
    tom.told(second, at=NEW, user_facts=[said])
    assert (tom.fields(), tom.history()) == (
        {"home": home},
        [(home, "home", None), (hers, f"{subject.casefold()}: home", None)],
    )


def test_a_sisters_new_home_ends_her_old_one_alone(tom):
    """P-15: the same subject and attribute."""
    tom.told("I live in Paris.", at=OLD, profile=[field("home", "Paris")])
    tom.told(
        "My sister lives in Oslo.", at=NEW, user_facts=[fact("Lives in Oslo.", subject="sister", attribute="home")]
    )
    moved = fact("Sister moved to Rome.", subject="Sister", attribute="Home", replaces="k2")
    tom.told("My sister moved to Rome.", at=LAST, user_facts=[moved])
    assert tom.history() == [
        ("Paris", "home", None),
        ("Lives in Oslo.", "sister: home", 2022),
        ("Sister moved to Rome.", "sister: home", None),
    ]


# -- the profile -----------------------------------------------------------------------------------


@pytest.mark.parametrize("less", ["", "None", "无", "Error: Could not get response from LLM."])
def test_a_profile_is_never_replaced_by_nothing(tom, less):
    """P-1, CH-9: an empty or failed value is no value; the reply that lists nothing else is asked for again."""
    tom.told("I live in Paris.", at=OLD, profile=[field("home", "Paris")])
    with pytest.raises(ModelError):
        tom.told("I was at home all day.", at=NEW, profile=[field("home", less)])
    assert (tom.history(), tom.memory.status().unpromoted) == ([("Paris", "home", None)], 1)


@pytest.mark.parametrize("more", ["Paris, France", "Paris in France"])
def test_a_profile_is_not_replaced_by_less_of_itself(tom, more):
    """Our decision: "Paris" does not end "Paris, France"; it repeats it."""
    tom.told(f"I live in {more}.", at=OLD, profile=[field("home", more)])
    tom.told("Back home in Paris.", at=NEW, profile=[field("home", "Paris")])
    assert tom.history() == [(more, "home", None)]
    assert [entry.repetitions for entry in tom.memory.knowledge()] == [2]


def test_a_reply_that_leaves_a_field_out_does_not_end_it(tom):
    """P-1: a model that does not mention the name again has not taken it back."""
    tom.told("My name is Tom, I live in Paris.", at=OLD, profile=[field("name", "Tom"), field("home", "Paris")])
    tom.told("I am 34 years old.", at=NEW, profile=[field("age", "34")])
    assert tom.fields() == {"name": "Tom", "home": "Paris", "age": "34"}


def test_every_value_a_field_ever_had_is_in_history(tom):
    """P-15: each with its interval, the same value twice as well."""
    for city, at in (("Paris", OLD), ("Tokyo", NEW), ("Paris", LAST)):
        tom.told(f"I live in {city}.", at=at, profile=[field("home", city)])
    assert tom.history() == [("Paris", "home", 2020), ("Tokyo", "home", 2022), ("Paris", "home", None)]
    assert [tom.fields(f"{year}-05-05")["home"] for year in (2016, 2021, 2023)] == ["Paris", "Tokyo", "Paris"]


VALUES = {
    "Nice, the city": ("I live in Nice.", "home", "Nice"),
    "Will, the name": ("My name is Will, I work in a bakery.", "name", "Will"),
    "Al, the name": ("My name is Al.", "name", "Al"),
    "a number": ("I am 34 years old.", "age", "34"),
    "a year": ("I was born in 1990.", "birth_year", "1990"),
    "two letters": ("I work as a DJ.", "occupation", "DJ"),
    "an umlaut": ("Ich wohne in Köln.", "home", "Köln"),
    "Spanish": ("Vivo en Madrid con mi perro.", "home", "Madrid"),
    "French": ("J'habite à Marseille avec mes enfants.", "home", "Marseille"),
    "Arabic": ("انتقلت إلى بيروت.", "home", "بيروت"),
    "Persian": ("من پرستار هستم.", "occupation", "پرستار"),
    "Chinese": ("我在医院当护士。", "occupation", "护士"),
}


@pytest.mark.parametrize(("said", "name", "value"), VALUES.values(), ids=VALUES)
def test_a_value_that_its_page_says_word_for_word_is_kept(tom, said, name, value):
    """Invariant 3, the other way round: what the user said of themselves is no babble of the model."""
    tom.told([said, "I planted tomatoes in the garden."], profile=[field(name, value)])
    assert tom.fields() == {name: value}


@pytest.mark.parametrize(
    ("said", "translated"),
    [
        ("I live in Madrid with my dog and work at Google.", "Vive en Madrid."),
        ("I live in Madrid with my dog and work at Google.", "El usuario vive en Madrid con su perro."),
        ("Vivo en Madrid con mi perro y trabajo en Google.", "Lives in Madrid."),
        ("Vivo en Madrid con mi perro y trabajo en Google.", "The user lives in Madrid with a dog."),
        ("Ich wohne in Madrid und arbeite bei Google.", "The user lives in Madrid and works at Google."),
        ("من در Madrid زندگی می‌کنم و در Google کار می‌کنم.", "The user lives in Madrid and works at Google."),
    ],
)
def test_a_translated_fact_is_not_kept_even_if_it_shares_its_names_with_the_page(tom, said, translated):
    """P-50, design part 1: a fact is in the user's language."""
    with pytest.raises(ModelError):
        tom.told(said, user_facts=[fact(translated)])
    assert tom.texts() == []


def test_two_children_are_two(tom):
    """Our decision: what one can have many of is not ended by the next of its kind."""
    tom.told("My daughter Mia is four.", at=OLD, user_facts=[fact("Mia is a daughter.", attribute="children")])
    tom.told("My son Leo was born.", at=NEW, user_facts=[fact("Leo is a son.", attribute="children")])
    assert {text for text, _, until in tom.history() if until is None} == {"Mia is a daughter.", "Leo is a son."}


# -- traits -------------------------------------------------------------------------------------------


@pytest.mark.parametrize("dimension", [each.name for each in TRAIT_DIMENSIONS[::11]])
@pytest.mark.parametrize("level", ["more", "less", "More", " LESS "])
def test_a_trait_is_one_of_the_ninety_at_more_or_less(dimension, level):
    """§3.2: the dimension by its own name, the level in its own words, the reason from the page."""
    assert traits_of(trait(dimension.upper().replace(" ", "_"), level, "I would rather be alone")) == [
        (dimension, level.strip().lower(), "I would rather be alone")
    ]


@pytest.mark.parametrize("dimension", ["", "shoe size", "openness to experience!", "trait", "none", "开放性"])
def test_any_other_dimension_is_no_trait(dimension):
    """§3.2: the ninety are fixed."""
    assert traits_of(trait("seclusion", "more", "I would rather be alone"), trait(dimension, "more", "Be alone")) == [
        ("seclusion", "more", "I would rather be alone")
    ]


@pytest.mark.parametrize("level", ["", "unknown", "very", "medium", "5", "none", "مزيد"])
def test_any_other_level_is_no_trait(level):
    """§3.2: more or less; a guess is neither."""
    assert traits_of(trait("seclusion", "more", "I would rather be alone"), trait("play", level, "Be alone")) == [
        ("seclusion", "more", "I would rather be alone")
    ]


def traits_of(*traits) -> list[tuple[str, str, str]]:
    """Dimension, level and reason of what is found in one page, without an engine around."""
    now = datetime(2024, 1, 1, tzinfo=timezone.utc)
    said = "On holidays I would rather be alone."
    page = DialoguePage(id="p", session_id="s", user_input=said, agent_response="", timestamp=now, sequence=0)
    hot = HotSegment(segment=Segment(id="s", summary="", keywords=(), created_at=now), pages=(page,))
    reply = json.dumps({"profile": [], "traits": traits, "user_facts": [], "assistant_facts": []})
    found = LLMAnalyst(ScriptedChatModel([reply])).promote([hot], [])
    assert {fact.kind for fact in found} == {TRAIT}
    return [(fact.attribute, fact.level, fact.text) for fact in found]


def test_a_trait_that_turned_is_the_newer_one_and_both_are_in_history(tom):
    """P-15, §3.2: preferences change; each level has its time."""
    tom.told("I love loud parties.", at=OLD, traits=[trait("extraversion", "more", "Loves loud parties")])
    tom.told("Parties tire me now.", at=NEW, traits=[trait("extraversion", "less", "Parties tire me now")])
    now, then = tom.memory.get_user_profile(), tom.memory.get_user_profile(as_of="2017-01-01")
    assert [(each.attribute, each.level, each.text) for each in now.traits] == [
        ("extraversion", "less", "Parties tire me now")
    ]
    assert [each.level for each in then.traits] == ["more"]


# -- where a fact comes from --------------------------------------------------------------------------


def test_the_sources_of_a_fact_are_the_pages_it_names(tom):
    """§3.2: labels that were not shown are left out; the rest are the pages, in order, each once."""
    said = ["I keep bees in my garden.", "My bees made honey.", "I went to the dentist."]
    tom.told(said, user_facts=[fact("The user keeps bees, which made honey.", "p2", "p1", "p2", "p9", "p0", "k1", "")])
    (entry,) = tom.memory.knowledge()
    first, second, _ = tom.memory.pages()
    assert entry.source_page_ids == (first.id, second.id)


def test_a_fact_is_dated_by_its_page_and_not_by_the_hour_it_was_found(tom):
    """P-48: what was said in 2015 holds since 2015."""
    tom.told("I keep bees in my garden.", at=OLD, user_facts=[fact("Keeps bees in the garden.")])
    (entry,) = tom.memory.knowledge()
    assert entry.said_at == datetime(2015, 1, 1, tzinfo=timezone.utc)
    assert (tom.recalled("bees"), tom.recalled("bees", as_of="2014-01-01")) == (["Keeps bees in the garden."], [])


def test_what_the_assistant_told_is_the_assistants_and_no_profile_of_the_user(tom):
    """§3.2: two queues; the assistant's home is not the user's, nor does a fact of one repeat the other's."""
    tom.told("I live in Paris.", at=OLD, profile=[field("home", "Paris")])
    tom.told(
        "Where do you live? What should I read?",
        at=NEW,
        answered="I live in Tokyo. I recommend Middlemarch.",
        assistant_facts=[
            fact("The assistant lives in Tokyo.", subject="assistant", attribute="home", replaces="k1"),
            fact("Recommended Middlemarch.", subject="assistant", attribute="recommendation", repeats="k1"),
        ],
    )
    assert tom.fields() == {"home": "Paris"}
    found = tom.memory.retrieve_memory("Middlemarch in Tokyo", touch=False)
    assert sorted(each.text for each in found.assistant_knowledge) == [
        "Recommended Middlemarch.",
        "The assistant lives in Tokyo.",
    ]
    assert (found.user_knowledge, {each.kind for each in tom.memory.knowledge()}) == ((), {PROFILE, ASSISTANT})


def test_a_fact_of_the_user_and_the_same_of_the_assistant_are_two(tom):
    """§3.2: `repeats` holds within a queue."""
    tom.told("I like tea.", at=OLD, user_facts=[fact("Likes tea.")])
    tom.told("And you?", at=NEW, answered="I like tea.", assistant_facts=[fact("Likes tea.", repeats="k1")])
    assert [(each.kind, each.text, each.repetitions) for each in tom.memory.knowledge()] == [
        (USER, "Likes tea.", 1),
        (ASSISTANT, "Likes tea.", 1),
    ]


def test_each_fact_is_an_entry_of_its_own_on_one_line(tom):
    """CH-12: several lines in one entry are found together or not at all."""
    tom.told(
        "I keep bees. I am afraid of spiders.",
        user_facts=[fact("- **Keeps\n bees**"), fact("• Is afraid\tof spiders.")],
    )
    assert tom.texts() == ["Keeps bees", "Is afraid of spiders."]
