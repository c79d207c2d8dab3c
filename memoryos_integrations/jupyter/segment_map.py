"""Where segments lie on a map: near is similar.

Vectors of many dimensions lie almost equally far from each other, so their cosines cannot be drawn. What is drawn is
their order: how the likeness of a pair ranks among all pairs, and among the neighbours of either. Stress majorisation
(SMACOF) moves the points until their gaps follow those ranks, near neighbours counting most. Arithmetic only, without
chance: equal vectors give an equal map.
"""

from __future__ import annotations

import numpy as np
from numpy.typing import NDArray

from memoryos_engine.similarity import Vector

Positions = NDArray[np.float64]
"""One row (x, y) for each segment, the outermost at 1 from the middle."""
_Matrix = NDArray[np.float64]

STEPS = 60
STEPS_OF_START = 30
PULL = 3.0
"""How much more the most similar segments draw a query to them than the others."""
OWN_SHARE = 0.5
"""How much the ranks among one's own neighbours say beside those among all pairs."""
OPENING = 0.8
"""Below 1, the crowd in the middle stands apart a little more."""
GOLDEN_ANGLE = 2.399963
SMALLEST = 1e-9


def segment_positions(vectors: Vector) -> Positions:
    """Return where segments of these unit vectors lie, the longer extent of the map across."""
    count = len(vectors)
    if count < 2:
        return np.zeros((count, 2))
    cosines = _cosines(vectors, vectors)
    targets = _targets(cosines)
    return _turned(_settled(_start(cosines), targets, _weights(targets)))


def query_position(vectors: Vector, positions: Positions, query: Vector) -> Positions:
    """Return the place (x, y) of a query on the map of `segment_positions`: among the segments most similar to it.

    The map stays as it is, whatever is asked.
    """
    if not len(vectors):
        return np.zeros(2)
    pulls = _ranks(-_cosines(vectors, query[None, :])[:, 0]) ** -PULL
    place: Positions = pulls @ positions / pulls.sum()
    return place


def _cosines(left: Vector, right: Vector) -> _Matrix:
    """Return cosines, rounded so that their last bits do not order them."""
    return np.round(left.astype(np.float64) @ right.astype(np.float64).T, 6)


def _ranks(values: NDArray[np.float64]) -> NDArray[np.float64]:
    """Return the rank of each value, from 1; equal values share the mean of theirs."""
    _, places, counts = np.unique(values, return_inverse=True, return_counts=True)
    ends = np.cumsum(counts)
    means: NDArray[np.float64] = (ends - (counts - 1) / 2)[places.reshape(values.shape)]
    return means


def _targets(cosines: _Matrix) -> _Matrix:
    """Return how far apart each pair should be, from 0 to 1: its ranks among all pairs and among either's own."""
    count = len(cosines)
    rows, columns = np.triu_indices(count, 1)
    overall = np.zeros_like(cosines)
    overall[rows, columns] = _ranks(-cosines[rows, columns]) / len(rows)
    overall += overall.T
    others = ~np.eye(count, dtype=bool)
    own = np.zeros_like(cosines)
    for row, cosine in enumerate(cosines):
        own[row, others[row]] = _ranks(-cosine[others[row]]) / (count - 1)
    own = np.minimum(own, own.T) / 2 + (own + own.T) / 4
    targets: _Matrix = overall ** (1 - OWN_SHARE) * own**OWN_SHARE
    return targets


def _weights(targets: _Matrix) -> _Matrix:
    """Return what each pair counts: near ones most, nobody with himself."""
    weights = 1.0 / (targets + 1e-3) ** 2
    np.fill_diagonal(weights, 0.0)
    return weights


def _start(cosines: _Matrix) -> Positions:
    """Return about the two main directions of the vectors (classical scaling), equal ones set a little apart."""
    spiral = _spiral(len(cosines))
    middles = cosines.mean(axis=0)
    centred = cosines - middles - middles[:, None] + middles.mean()
    plane = spiral
    for _ in range(STEPS_OF_START):
        plane = np.linalg.qr(_product(centred, plane))[0]
    plane = _product(centred, plane)
    return plane / max(float(np.abs(plane).max()), SMALLEST) + 1e-3 * spiral


def _product(square: _Matrix, points: Positions) -> Positions:
    """Return a matrix product, not by BLAS: with more threads than free cores, it takes ten times as long."""
    product: Positions = np.einsum("ij,jk->ik", square, points)
    return product


def _spiral(count: int) -> Positions:
    turns = np.arange(1, count + 1) * GOLDEN_ANGLE
    return np.stack([np.cos(turns), np.sin(turns)], axis=1) * np.sqrt(np.arange(1, count + 1) / count)[:, None]


def _settled(points: Positions, targets: _Matrix, weights: _Matrix) -> Positions:
    """Return the points after majorisation: each step lowers the weighted squared error of the gaps."""
    count = len(points)
    inverse: _Matrix = np.linalg.inv(_laplacian(weights) + 1.0 / count).astype(np.float64) - 1.0 / count
    wanted = weights * targets
    for _ in range(STEPS):
        pulls = _laplacian(wanted / np.maximum(_gaps(points), SMALLEST))
        points = _product(inverse, _product(pulls, points))
    return points


def _laplacian(weights: _Matrix) -> _Matrix:
    laplacian = -weights
    np.fill_diagonal(laplacian, weights.sum(axis=1))
    return laplacian


def _gaps(points: Positions) -> _Matrix:
    across, up = (np.subtract.outer(axis, axis) for axis in points.T)
    gaps: _Matrix = np.sqrt(across * across + up * up)
    return gaps


def _turned(points: Positions) -> Positions:
    """Return the points in the one orientation there is: centred, widest across, outermost to the right and above."""
    points = points - points.mean(axis=0)
    points = points @ np.linalg.svd(points, full_matrices=False)[2].T
    outermost = np.abs(np.round(points, 9)).argmax(axis=0)
    points = points * np.where(points[outermost, [0, 1]] < 0, -1.0, 1.0)
    radii = np.maximum(np.linalg.norm(points, axis=1, keepdims=True), SMALLEST)
    opened: Positions = points / radii * (radii / radii.max()) ** OPENING
    return opened
