from __future__ import annotations

from collections import Counter

import pytest

from memoryos_engine.errors import InvalidInput
from memoryos_engine.traits import (
    TRAIT_DIMENSIONS,
    TRAIT_LEVELS,
    TraitDimension,
    TraitFamily,
    is_trait_dimension,
    trait_dimension,
)


def test_there_are_90_dimensions_in_families_of_40_7_and_43():
    """Paper §3.2."""
    assert Counter(each.family for each in TRAIT_DIMENSIONS) == {
        TraitFamily.BASIC_NEEDS: 40,
        TraitFamily.AI_ALIGNMENT: 7,
        TraitFamily.CONTENT_INTERESTS: 43,
    }


def test_no_two_dimensions_share_a_name():
    assert len({each.name for each in TRAIT_DIMENSIONS}) == 90


def test_a_level_says_more_less_or_unknown():
    assert TRAIT_LEVELS == ("more", "less", "unknown")


@pytest.mark.parametrize("name", ["gourmet food", "Gourmet Food", "gourmet_food", " gourmet-food "])
def test_a_dimension_is_found_however_its_name_is_spelled(name):
    assert trait_dimension(name) == TraitDimension(name="gourmet food", family=TraitFamily.CONTENT_INTERESTS)


@pytest.mark.parametrize("name", ["", "charisma", "gourmetfood", "age gender"])
def test_a_name_outside_the_90_is_refused_with_a_way_out(name):
    assert not is_trait_dimension(name)
    with pytest.raises(InvalidInput, match=r"not one of the 90 trait dimensions\. See"):
        trait_dimension(name)


def test_every_dimension_validates_under_its_own_name():
    assert [trait_dimension(each.name) for each in TRAIT_DIMENSIONS] == list(TRAIT_DIMENSIONS)
