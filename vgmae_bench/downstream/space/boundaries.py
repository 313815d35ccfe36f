"""The boundary benchmark of BSDS (Martin, Fowlkes and Malik, PAMI 2004; Arbelaez et al., 2011).

Outlines above a threshold are thinned and matched one to one with the outlines of each annotator, within a distance. Recall
counts matched pixels of all annotators. Precision counts found pixels that match any annotator. The official code finds the
matching of least cost but scores only its size, so the largest matching is computed here (Hopcroft and Karp).
"""

from __future__ import annotations

from collections.abc import Sequence

import cv2
import numpy as np
import numpy.typing as npt

from vgmae_bench.evaluation.records.others import Estimate
from vgmae_bench.evaluation.records.results import Interval
from vgmae_bench.metrics.stats import LEVEL, RESAMPLES
from vgmae_bench.types import BoolArray

Array = npt.NDArray[np.float64]

TOLERANCE = 0.0075
"""Share of the image's diagonal within which pixels match."""
THRESHOLDS = tuple(i / 20 for i in range(1, 20))
"""An outline counts if its strength is at least the threshold."""


def outlines_of(labels: npt.NDArray[np.int64]) -> BoolArray:
    """Thin outlines of a segmentation, bool [H, W]: pixels whose label differs from the pixel to the right or below."""
    found = np.zeros(labels.shape, dtype=np.bool_)
    found[:, :-1] |= labels[:, :-1] != labels[:, 1:]
    found[:-1] |= labels[:-1] != labels[1:]
    return thin(found)


def count_matches(strength: npt.NDArray[np.float32], truths: Sequence[BoolArray]) -> Array:
    """Count the pixels from which the F-measures of an image are computed.

    Arguments:
        strength: float32 [H, W] in [0, 1], strength of outlines.
        truths: thin outlines, bool [H, W], one for each annotator.

    Returns:
        float64 [len(THRESHOLDS), 4]: matched pixels of all annotators, pixels of all annotators, found pixels that match,
        found pixels.
    """
    reach = TOLERANCE * float(np.hypot(*strength.shape))
    total = float(sum(truth.sum() for truth in truths))
    rows: list[list[float]] = []
    last: BoolArray | None = None
    for threshold in THRESHOLDS:
        above = strength >= threshold
        if last is None or (above != last).any():
            found = thin(above)
            pairs = [match(found, truth, reach) for truth in truths]
            good = np.any([mine for mine, _ in pairs], axis=0) if pairs else np.zeros_like(found)
            recalled = float(sum(theirs for _, theirs in pairs))
            rows.append([recalled, total, float(good.sum()), float(found.sum())])
            last = above
        else:
            rows.append(rows[-1])
    return np.array(rows)


def match(found: BoolArray, truth: BoolArray, reach: float) -> tuple[BoolArray, int]:
    """Match pixels of `found` one to one with pixels of `truth` that are at most `reach` pixels away.

    Returns:
        The matched pixels of `found`, bool [H, W], and the size of the matching, which is the largest possible.
    """
    from scipy.sparse import csr_array
    from scipy.sparse.csgraph import maximum_bipartite_matching
    from scipy.spatial import KDTree

    matched = np.zeros_like(found)
    mine, theirs = np.argwhere(found), np.argwhere(truth)
    if not len(mine) or not len(theirs):
        return matched, 0
    near = KDTree(mine).sparse_distance_matrix(KDTree(theirs), reach, output_type="ndarray")
    links = csr_array((np.ones(len(near), dtype=np.int8), (near["i"], near["j"])), shape=(len(mine), len(theirs)))
    links.sort_indices()  # the order decides which of several largest matchings is found
    partner = maximum_bipartite_matching(links, perm_type="column")
    hits = mine[partner >= 0]
    matched[hits[:, 0], hits[:, 1]] = True
    return matched, len(hits)


def f_measure(counts: Array) -> Array:
    """F-measure of counts [..., 4]. It is 0 if nothing is found or there is nothing to find."""
    recall = counts[..., 0] / np.maximum(counts[..., 1], 1)
    precision = counts[..., 2] / np.maximum(counts[..., 3], 1)
    return 2 * precision * recall / np.maximum(precision + recall, 1e-12)


def ods_ois(counts: Array, groups: Sequence[str]) -> list[Estimate]:
    """F-measure at the best threshold for the whole set (ODS), and at the best threshold of each image (OIS).

    Arguments:
        counts: float64 [images, len(THRESHOLDS), 4], see `count_matches`.
        groups: group of each image. The bootstrap for the 95 % intervals draws whole groups. ODS chooses its threshold again
            in each draw.

    Returns:
        ODS and OIS. With fewer than two groups, they have no intervals.
    """
    best = f_measure(counts).argmax(axis=1)
    chosen = np.take_along_axis(counts, best[:, None, None], axis=1)
    names, member = np.unique(np.asarray(groups), return_inverse=True)
    scores = []
    for table in (counts, chosen):
        sums = np.zeros((len(names), *table.shape[1:]))
        np.add.at(sums, member, table)
        interval: Interval = (None, None)
        if len(names) > 1:
            share = np.full(len(names), 1 / len(names))
            drawn = np.random.default_rng(0).multinomial(len(names), share, size=RESAMPLES)
            f = f_measure(np.tensordot(drawn.astype(np.float64), sums, axes=1)).max(axis=1)
            low, high = np.quantile(f, [(1 - LEVEL) / 2, (1 + LEVEL) / 2])
            interval = (float(low), float(high))
        scores.append(Estimate(float(f_measure(sums.sum(axis=0)).max()), interval))
    return scores


def thin(mask: BoolArray) -> BoolArray:
    """Thin lines to a width of one pixel and keep them connected (Zhang and Suen, CACM 1984)."""
    lines = np.pad(mask, 1).astype(np.uint8)
    while True:
        before = int(lines.sum())
        for removable in _REMOVABLE:
            around = cv2.filter2D(lines, cv2.CV_32F, _WEIGHTS, borderType=cv2.BORDER_CONSTANT).astype(np.int64)
            lines[(lines == 1) & removable[around]] = 0
        if int(lines.sum()) == before:
            return lines[1:-1, 1:-1].astype(np.bool_)


_WEIGHTS = np.array([[128, 1, 2], [64, 0, 4], [32, 16, 8]], dtype=np.float32)
"""Bits of the eight neighbours, clockwise from the one above."""


def _removable() -> list[BoolArray]:
    """For each half step, the neighbourhoods (of 256) whose middle pixel is removed."""
    bits = (np.arange(256)[:, None] >> np.arange(8)) & 1  # above, …, clockwise
    north, east, south, west = bits[:, 0], bits[:, 2], bits[:, 4], bits[:, 6]
    count = bits.sum(axis=1)
    turns = ((bits == 0) & (np.roll(bits, -1, axis=1) == 1)).sum(axis=1)
    edge = (count >= 2) & (count <= 6) & (turns == 1)
    return [
        edge & (north * east * south == 0) & (east * south * west == 0),
        edge & (north * east * west == 0) & (north * south * west == 0),
    ]


_REMOVABLE = _removable()
