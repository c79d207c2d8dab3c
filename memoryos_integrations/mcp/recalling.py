"""What a retrieval returns to a model: no more exchanges, and no more tokens, than it has asked for.

The profile and what is known come first, as long as they leave most of the budget to what was really said; then pages
by rank, then the latest turns.
"""

from __future__ import annotations

from collections.abc import Sequence
from uuid import uuid4

from memoryos_engine import DialoguePage, UserMemory, UserProfile
from memoryos_engine.prompt_format import visible
from memoryos_integrations.mcp.budget import Room, cost
from memoryos_integrations.mcp.replies import (
    MOST_CHARACTERS,
    Fact,
    Page,
    Profile,
    Retrieved,
    UserProfileReply,
    fact_reply,
    page_reply,
    profile_reply,
)

HEAD_SHARE, KNOWN_SHARE = 0.4, 0.4
"""Of the budget, what the caller's own words may take; of what they leave, what profile and facts may take."""
_ECHOES = (200, 80, 20, 0)
"""Characters of each of the caller's own words that are handed back, the most that fit."""
_TEXTS = (MOST_CHARACTERS, 800, 300, 120, 40)
"""Characters of each text of the first page, the most that fit."""


def retrieved(memory: UserMemory, query: str, *, most: int, max_tokens: int, guidance: Sequence[str]) -> Retrieved:
    """Return what is remembered that matters for a query.

    Args:
        memory: whose.
        query: what to look for.
        most: most pages in all, those of the latest turns among them.
        max_tokens: most tokens of the reply. One page is always in it, cut as short as need be.
        guidance: what the answering model is to the user, and in which style it answers; handed back.

    Raises:
        InvalidInput: the query is blank.
        EmbeddingError, StoreError: nothing could be searched.
    """
    # STM is never ranked; asked from a session that has none, the engine ranks every page there is.
    found = memory.in_session(uuid4().hex).retrieve_memory(query, top_k=most)
    head = _head(query, guidance, int(max_tokens * HEAD_SHARE))
    left = max_tokens - cost(head)
    known = Room(int(left * KNOWN_SHARE))
    facts = {
        "user_profile": _profile(found.user_profile, known),
        "retrieved_user_knowledge": known.fill(map(fact_reply, found.user_knowledge)),
        "retrieved_assistant_knowledge": known.fill(map(fact_reply, found.assistant_knowledge)),
    }
    said = Room(left - int(left * KNOWN_SHARE) + known.left)
    pages = _first(found.pages[:1], said) + said.fill(map(page_reply, found.pages[1:most]))
    ids = {page.id for page in pages}
    latest = [page_reply(page) for page in reversed(memory.latest_memory().short_term) if page.id not in ids]
    turns = said.fill(latest[: most - len(pages)])[::-1]
    out = {"retrieved_pages": pages, "short_term_memory": turns, "left_out": len(found.pages[:most]) - len(pages)}
    return head.model_copy(update={**facts, **out})


def who_the_user_is(memory: UserMemory, kinds: Sequence[str], *, max_tokens: int) -> UserProfileReply:
    """Return the profile and what is known, the newest first, as far as there is room.

    Args:
        memory: whose.
        kinds: of knowledge, those that are wanted.
        max_tokens: most tokens of the reply.
    """
    room = Room(max_tokens - cost(UserProfileReply(user_profile=Profile())))
    profile = _profile(memory.get_user_profile(), room)
    facts: dict[str, list[Fact]] = {}
    left_out = 0
    for kind in kinds:
        known = [fact_reply(each) for each in reversed(memory.knowledge()) if each.kind.value == kind]
        facts[kind] = room.fill(known)
        left_out += len(known) - len(facts[kind])
    return UserProfileReply(user_profile=profile, left_out=left_out, **facts)


def _head(query: str, guidance: Sequence[str], most_tokens: int) -> Retrieved:
    """Return a reply that nothing was found for yet."""
    for most in _ECHOES:
        echo = [visible(text[:most]).strip() for text in (query, *guidance)]
        head = Retrieved(
            query=echo[0],
            guidance=_guidance(*echo[1:]),
            user_profile=Profile(),
            retrieved_pages=[],
            short_term_memory=[],
            retrieved_user_knowledge=[],
            retrieved_assistant_knowledge=[],
        )
        if cost(head) <= most_tokens:
            break
    return head


def _guidance(relationship: str, style_hint: str) -> str:
    """Return how to answer, in one line for the model that will; empty if nothing was asked."""
    parts = [f"To the user you are: {relationship}." if relationship else ""]
    parts.append(f"Answer in this style: {style_hint}." if style_hint else "")
    return " ".join(filter(None, parts))


def _profile(profile: UserProfile, room: Room) -> Profile:
    """Return a profile, or as much of it as there is room for."""
    whole = profile_reply(profile)
    if room.takes(whole):
        return whole
    shown = Profile()
    for name, value in whole.fields.items():
        ids = {**shown.field_ids, **{key: each for key, each in whole.field_ids.items() if key == name}}
        more = Profile(fields={**shown.fields, name: value}, field_ids=ids)
        shown = more if cost(more) <= room.left else shown
    room.takes(shown)
    return shown


def _first(pages: Sequence[DialoguePage], room: Room) -> list[Page]:
    """Return the best page, whatever it takes: with nothing in it, a reply would say that nothing is known."""
    replies = [page_reply(page, most=most) for page in pages for most in _TEXTS]
    fitting = next((reply for reply in replies if room.takes(reply)), None)
    return [fitting] if fitting else replies[-1:]
