"""Segment score (paper §3.2, Eqs. 2 and 3).

    F = cos(e_s, e_p) + Jaccard(K_s, K_p)        from -1 to 2; a page joins when F > theta

Vectors are unit rows of float32, so a cosine is a dot product. Identical is 1.0,
orthogonal 0.0. Values in, values out.
"""

from __future__ import annotations

from collections.abc import Collection

import numpy as np
from numpy.typing import NDArray

Vector = NDArray[np.float32]


def unit(vector: Vector) -> Vector:
    """Return `vector` scaled to length 1; a zero vector stays zero."""
    length = float(np.linalg.norm(vector))
    return (vector / length).astype(np.float32) if length else vector


def jaccard(left: Collection[str], right: Collection[str]) -> float:
    """Return the share of common keywords, 0 to 1, without regard to case; 0 when both are empty."""
    a, b = {word.casefold() for word in left}, {word.casefold() for word in right}
    union = a | b
    return len(a & b) / len(union) if union else 0.0


def segment_score(cosine: float, segment_keywords: Collection[str], page_keywords: Collection[str]) -> float:
    """Return F, the affinity of a page to a segment (Eq. 3)."""
    return cosine + jaccard(segment_keywords, page_keywords)
