"""The 90 dimensions of user traits (paper §3.2), in its three families.

A trait says that a user prefers more or less of one dimension. The names are fixed:
a trait under any other name is not a trait. Data only.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from enum import Enum
from types import MappingProxyType

from memoryos_engine.errors import InvalidInput


class TraitFamily(str, Enum):
    """The paper's three families of user traits (§3.2)."""

    BASIC_NEEDS = "basic needs and personality"
    AI_ALIGNMENT = "AI alignment"
    CONTENT_INTERESTS = "content interests"


@dataclass(frozen=True, kw_only=True, slots=True)
class TraitDimension:
    """One of the 90 dimensions."""

    name: str
    """English name; the `attribute` of a trait entry."""
    family: TraitFamily


def _family(family: TraitFamily, names: str) -> tuple[TraitDimension, ...]:
    return tuple(TraitDimension(name=name.strip(), family=family) for name in names.split(","))


BASIC_NEEDS = _family(
    TraitFamily.BASIC_NEEDS,
    "age, gender, neuroticism, extraversion, openness, agreeableness, conscientiousness, food, living environment, "
    "sleep, investment, saving, physical safety, environmental safety, depth of interaction, handling of conflict, "
    "communication style, work environment, recognition, achievement, area of knowledge, learning style, "
    "creative expression, order, retention, inviolacy, infavoidance, counteraction, seclusion, dominance, deference, "
    "autonomy, contrariance, abasement, aggression, affiliation, rejection, nurturance, succorance, play",
)
"""40 dimensions; the last 17 are Murray's needs."""

AI_ALIGNMENT = _family(
    TraitFamily.AI_ALIGNMENT,
    "harmlessness, instruction following, honesty, truthfulness, helpfulness, coherence, complexity",
)
"""7 dimensions: what the user expects of an assistant."""

CONTENT_INTERESTS = _family(
    TraitFamily.CONTENT_INTERESTS,
    "science, knowledge, psychology, cinema, entertainment, gaming, parenting, imagination, anime, sports, law, "
    "workplace, pets, travel, health, stories, cars, gourmet food, education, current events, home decor, "
    "international affairs, finance, campus life, digital technology, emotions, humour, music, reading, painting, "
    "dance, crafts, photography, culture, fitness, art, stationery and planners, celebrities, outdoors, camping, "
    "social sciences, weddings, fashion",
)
"""43 dimensions: topics the user likes to meet."""

TRAIT_DIMENSIONS = BASIC_NEEDS + AI_ALIGNMENT + CONTENT_INTERESTS
"""All 90, family by family, in the paper's order."""

TRAIT_LEVELS = ("more", "less", "unknown")
"""What the `level` of a trait entry may be."""

_BY_NAME: Mapping[str, TraitDimension] = MappingProxyType({each.name.casefold(): each for each in TRAIT_DIMENSIONS})


def trait_dimension(name: str) -> TraitDimension:
    """Return the dimension called `name`, without regard to case, `_`, `-` or extra spaces.

    Raises:
        InvalidInput: none of the 90 has that name.
    """
    found = _BY_NAME.get(_canonical(name))
    if found is None:
        raise InvalidInput("name", "is not one of the 90 trait dimensions", "See memoryos_engine.traits.")
    return found


def is_trait_dimension(name: str) -> bool:
    """Say whether `name` is one of the 90, by the rules of `trait_dimension`."""
    return _canonical(name) in _BY_NAME


def _canonical(name: str) -> str:
    return " ".join(name.replace("_", " ").replace("-", " ").casefold().split())
