"""Where mid-term memory points: e_s of its segments (paper §3.2, Eq. 3)."""

from __future__ import annotations

from functools import partial

import numpy as np
import pytest

from tests.tagged import remember, tagged


@pytest.fixture
def opened(open_system):
    return partial(tagged, open_system)


def test_an_empty_memory_points_nowhere(opened):
    assert opened().segment_vectors() == {}


def test_a_segment_points_where_its_pages_do(opened):
    """e_s is the unit direction of the sum of the vectors of its pages, in order of opening."""
    memory = opened()
    remember(memory, "#a 0", "#b 0", "#a 1")
    vectors = memory.segment_vectors()

    assert list(vectors) == [segment.id for segment in memory.segments()]
    for segment_id, vector in vectors.items():
        pages = [page.text for page in memory.pages() if page.segment_id == segment_id]
        total = memory.system.embedder.embed(pages).sum(axis=0)
        np.testing.assert_allclose(vector, total / np.linalg.norm(total), atol=1e-6)
        assert np.linalg.norm(vector) == pytest.approx(1.0)


def test_an_archived_segment_has_left_the_map(opened):
    """§3.3: what left mid-term memory is compared with no new page."""
    memory = opened(mid_term_capacity=2)
    remember(memory, "#a 0", "#b 0", "#c 0")

    assert list(memory.segment_vectors()) == [segment.id for segment in memory.segments() if not segment.archived]
    assert len(memory.segment_vectors()) == 2


def test_the_vectors_given_out_are_the_callers_own(opened):
    memory = opened()
    remember(memory, "#a 0")
    (segment_id,) = before = memory.segment_vectors()
    kept = before[segment_id].copy()
    before[segment_id][:] = 0

    np.testing.assert_array_equal(memory.segment_vectors()[segment_id], kept)
