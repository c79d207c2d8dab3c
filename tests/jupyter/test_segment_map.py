"""Where segments lie on the map."""

from __future__ import annotations

import numpy as np
import pytest

from memoryos_integrations.jupyter.segment_map import query_position, segment_positions


def topics(*sizes: int, dimension: int = 64) -> np.ndarray:
    """Unit vectors around one direction for each topic, always the same."""
    chance = np.random.default_rng(7)
    rows = []
    for topic, size in enumerate(sizes):
        centre = np.eye(dimension)[topic]
        rows += [centre + 0.08 * chance.normal(size=dimension) for _ in range(size)]
    found = np.array(rows, dtype=np.float32)
    return found / np.linalg.norm(found, axis=1, keepdims=True)


def gaps(positions: np.ndarray) -> np.ndarray:
    return np.linalg.norm(positions[:, None] - positions[None], axis=2)


def test_no_segment_makes_an_empty_map():
    assert segment_positions(np.zeros((0, 8), dtype=np.float32)).shape == (0, 2)


def test_one_segment_lies_in_the_middle():
    np.testing.assert_array_equal(segment_positions(np.eye(1, 8, dtype=np.float32)), [[0, 0]])


def test_two_segments_lie_side_by_side():
    np.testing.assert_allclose(segment_positions(np.eye(2, 8, dtype=np.float32)), [[1, 0], [-1, 0]], atol=1e-9)


@pytest.mark.parametrize("count", [2, 3, 7, 50])
def test_equal_segments_lie_apart(count):
    positions = segment_positions(np.full((count, 4), 0.5, dtype=np.float32))
    apart = gaps(positions)[np.triu_indices(count, 1)]

    assert np.isfinite(positions).all()
    assert apart.min() > 0.01


def test_twins_are_the_nearest_neighbours_of_each_other():
    vectors = topics(4, 4, 4)
    vectors[5] = vectors[0]
    between = gaps(segment_positions(vectors)) + np.eye(12) * 9

    assert (between[0].argmin(), between[5].argmin()) == (5, 0)


def test_near_is_similar():
    """Every segment's nearest neighbours are those of its own topic."""
    between = gaps(segment_positions(topics(5, 5, 5, 5))) + np.eye(20) * 9
    nearest = between.argsort(axis=1)[:, :4] // 5

    np.testing.assert_array_equal(nearest, np.repeat(np.arange(4), 5)[:, None].repeat(4, axis=1))


def test_the_map_is_the_same_each_time():
    vectors = topics(9, 9, 9)

    np.testing.assert_array_equal(segment_positions(vectors), segment_positions(vectors.copy()))


def test_the_map_is_centred_widest_across_and_reaches_to_one():
    positions = segment_positions(topics(6, 3, 8))
    spread = positions.std(axis=0)

    assert np.linalg.norm(positions, axis=1).max() == pytest.approx(1.0)
    assert spread[0] >= spread[1]
    assert np.abs(positions.mean(axis=0)).max() < 0.2


def test_the_outermost_segment_lies_to_the_right_and_the_topmost_above():
    """One orientation of four: mirrored input may not mirror the map."""
    positions = segment_positions(topics(6, 3, 8))
    outermost = np.abs(positions).argmax(axis=0)

    assert (positions[outermost, [0, 1]] > 0).all()


def test_two_hundred_segments_of_many_dimensions_are_placed():
    positions = segment_positions(topics(50, 50, 50, 50, dimension=512))

    assert positions.shape == (200, 2)
    assert np.isfinite(positions).all()


def test_vectors_of_one_dimension_are_placed():
    positions = segment_positions(np.array([[1], [1], [-1]], dtype=np.float32))
    between = gaps(positions)

    assert between[0, 1] < min(between[0, 2], between[1, 2])


def test_a_query_lies_nearest_to_the_segment_it_resembles_most():
    vectors = topics(5, 5, 5)
    positions = segment_positions(vectors)
    for row, vector in enumerate(vectors):
        away = np.linalg.norm(positions - query_position(vectors, positions, vector), axis=1)
        assert away.argmin() == row


def test_a_query_on_an_empty_map_lies_in_the_middle():
    nothing = np.zeros((0, 8), dtype=np.float32)

    np.testing.assert_array_equal(query_position(nothing, segment_positions(nothing), np.eye(8)[0]), [0, 0])
