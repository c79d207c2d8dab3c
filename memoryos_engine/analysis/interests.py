"""Content interests from cue words: what a user says they like or dislike, or keeps coming back to.

English only: in other languages nothing is found, rather than something guessed. Only
the 43 content interests are read (paper §3.2); the other families take a model.
"""

from __future__ import annotations

import re
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from types import MappingProxyType

from memoryos_engine.analysis.statement_cues import SECOND_PERSON
from memoryos_engine.analysis.topic_words import topic_words

MENTIONS_FOR_INTEREST = 3
"""On how many pages a topic has to come up before it counts as liked without being said."""

_LONGEST_OBJECT = 60
"""How far after "I love" its object may stand, in characters."""

_CUES: dict[str, str] = {
    "science": "science physics chemistry biology astronomy scientific experiments",
    "psychology": "psychology psychotherapy cognitive",
    "cinema": "movies films cinema filmmaking documentaries",
    "entertainment": "sitcoms television podcasts musicals",
    "gaming": "gaming videogames videogame nintendo playstation xbox esports minecraft",
    "parenting": "parenting motherhood fatherhood",
    "imagination": "fantasy worldbuilding daydreaming",
    "anime": "anime manga cosplay",
    "sports": "sports soccer football basketball tennis baseball hockey volleyball cricket rugby",
    "law": "law legal legislation",
    "pets": "pets dogs cats puppy kitten puppies kittens",
    "travel": "travel travelling traveling backpacking roadtrips sightseeing",
    "health": "health nutrition mindfulness wellness",
    "stories": "storytelling folktales legends",
    "cars": "cars motorcycles racing automobiles",
    "gourmet food": "cooking baking cuisine sushi restaurants recipes pastries",
    "education": "teaching tutoring pedagogy",
    "current events": "headlines elections politics",
    "home decor": "decorating furniture interiors renovating",
    "international affairs": "geopolitics diplomacy",
    "finance": "finance investing stocks budgeting",
    "campus life": "campus dormitory",
    "digital technology": "technology programming coding software gadgets robotics computers",
    "humour": "comedy jokes humor humour memes",
    "music": "music guitar piano violin concerts singing songs jazz opera drums",
    "reading": "reading books novels poetry",
    "painting": "painting watercolor watercolour watercolors",
    "dance": "dancing dance ballet salsa tango",
    "crafts": "crafts pottery knitting crochet woodworking sewing origami",
    "photography": "photography photographing photographer",
    "culture": "museums heritage traditions archaeology",
    "fitness": "fitness yoga gym workouts weightlifting pilates",
    "art": "art sculpture drawing galleries",
    "stationery and planners": "stationery planners journaling notebooks",
    "celebrities": "celebrities celebrity gossip",
    "outdoors": "hiking climbing fishing kayaking trails outdoors gardening",
    "camping": "camping campfires campfire",
    "social sciences": "sociology anthropology economics",
    "weddings": "weddings bridal",
    "fashion": "fashion outfits sneakers",
}
_DIMENSION_OF: Mapping[str, str] = MappingProxyType({cue: name for name, cues in _CUES.items() for cue in cues.split()})

_ADVERBS = r"(?:(?:really|absolutely|also|still|just|always|simply|totally|truly) ){0,2}"
_LIKES = re.compile(
    rf"\b(?:i|we) {_ADVERBS}(?:love|like|enjoy|adore)\b|\bi've always loved\b|"
    rf"\bi(?:'m| am) {_ADVERBS}(?:into|passionate about|fond of|keen on|crazy about|a (?:big |huge )?fan of)\b|"
    r"\bmy favou?rite (?:\w{1,20} )?(?:hobby|pastime|thing)s? (?:is|are)\b",
    re.IGNORECASE,
)
_DISLIKES = re.compile(
    rf"\b(?:i|we) {_ADVERBS}(?:hate|dislike|detest|can't stand|cannot stand)\b|"
    rf"\b(?:i|we) {_ADVERBS}(?:don't|do not) {_ADVERBS}(?:love|like|enjoy|care for|care about)\b|"
    r"\bi(?:'m| am) (?:really )?not (?:really )?(?:into|fond of|keen on|a (?:big |huge )?fan of)\b",
    re.IGNORECASE,
)
_OBJECT_END = re.compile(r"[.!?;,:]|\bbut\b|\bbecause\b|\bwhen\b|\bthough\b", re.IGNORECASE)


@dataclass(frozen=True, kw_only=True, slots=True)
class Interest:
    """One content interest with the words it was read from."""

    dimension: str
    level: str
    """"more" or "less"."""
    reason: str
    page_ids: tuple[str, ...]


def interests(statements: Sequence[tuple[str, str]], mentions: Sequence[tuple[str, str]]) -> list[Interest]:
    """Return at most one interest for each dimension, in order of first mention.

    What is said outright wins over what merely recurs, and the latest saying over earlier ones.

    Args:
        statements: pairs (page id, sentence the user stated), in order.
        mentions: pairs (page id, text of the user's side), in order.
    """
    found = _recurring(mentions)
    for page_id, sentence in statements:
        for dimension, level in _said(sentence):
            earlier = found.get(dimension)
            same = earlier is not None and earlier.level == level and earlier.reason.startswith("said")
            sources = (*earlier.page_ids, page_id) if same and earlier is not None else (page_id,)
            found[dimension] = Interest(
                dimension=dimension,
                level=level,
                reason=f'said "{sentence}"',
                page_ids=tuple(dict.fromkeys(sources)),
            )
    return list(found.values())


def _said(sentence: str) -> list[tuple[str, str]]:
    plain = sentence.replace("’", "'")
    pairs = [("less", match.end()) for match in _DISLIKES.finditer(plain)]
    pairs += [("more", match.end()) for match in _LIKES.finditer(plain)]
    objects = [(level, _object(plain[start:])) for level, start in pairs]
    return [(name, level) for level, thing in objects if not SECOND_PERSON.search(thing) for name in _cues_in(thing)]


def _object(rest: str) -> str:
    clause = rest[:_LONGEST_OBJECT]
    end = _OBJECT_END.search(clause)
    return clause[: end.start()] if end else clause


def _cues_in(text: str) -> dict[str, str]:
    """Return dimension to the first cue word for it in `text`."""
    found: dict[str, str] = {}
    for word in topic_words(text):
        dimension = _DIMENSION_OF.get(word.surface)
        if dimension is not None:
            found.setdefault(dimension, word.surface)
    return found


def _recurring(mentions: Sequence[tuple[str, str]]) -> dict[str, Interest]:
    pages: dict[str, dict[str, str]] = {}
    for page_id, text in mentions:
        for dimension, cue in _cues_in(text).items():
            pages.setdefault(dimension, {}).setdefault(page_id, cue)
    return {
        dimension: _came_up(dimension, cues) for dimension, cues in pages.items() if len(cues) >= MENTIONS_FOR_INTEREST
    }


def _came_up(dimension: str, cues: Mapping[str, str]) -> Interest:
    words = ", ".join(f'"{word}"' for word in list(dict.fromkeys(cues.values()))[:4])
    reason = f"came up on {len(cues)} pages: {words}"
    return Interest(dimension=dimension, level="more", reason=reason, page_ids=tuple(cues))
