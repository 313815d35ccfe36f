from __future__ import annotations

import itertools

import numpy as np
import pytest

from vgmae_bench.downstream.space.boundaries import (
    THRESHOLDS,
    count_matches,
    f_measure,
    match,
    ods_ois,
    outlines_of,
    thin,
)


def line(column: int, size: int = 40) -> np.ndarray:
    mask = np.zeros((size, size), dtype=np.bool_)
    mask[:, column] = True
    return mask


def test_lines_match_within_the_distance_limit_only() -> None:
    truth = line(20)
    for column, expected in ((20, 40), (22, 40), (23, 0)):
        matched, size = match(line(column), truth, reach=2.5)
        assert size == matched.sum() == expected


def test_each_pixel_is_matched_once() -> None:
    """Two found lines are close to one true line: half of the found pixels have no partner."""
    matched, size = match(line(19) | line(21), line(20), reach=2.0)
    assert size == matched.sum() == 40


def test_the_matching_has_maximum_size() -> None:
    """Compared with all possible matchings of a few pixels."""
    rng = np.random.default_rng(0)
    for _ in range(20):
        found, truth = (rng.random((2, 5, 5)) < 0.16).astype(np.bool_)
        mine, theirs = np.argwhere(found)[:5], np.argwhere(truth)[:5]
        found, truth = np.zeros((2, 5, 5), dtype=np.bool_)
        found[tuple(mine.T)], truth[tuple(theirs.T)] = True, True
        near = np.hypot(*(mine[:, None] - theirs[None]).transpose(2, 0, 1)) <= 1.5
        rows, columns = sorted(near.shape)
        links = near if near.shape[0] <= near.shape[1] else near.T
        best = max(
            (sum(links[i, j] for i, j in enumerate(order)) for order in itertools.permutations(range(columns), rows)),
            default=0,
        )
        assert match(found, truth, reach=1.5)[1] == best


def test_lines_become_thin_and_stay_connected() -> None:
    thick = np.zeros((30, 30), dtype=np.bool_)
    thick[5:25, 10:14] = True
    thick[12:15, 10:28] = True
    lines = thin(thick)
    assert (lines <= thick).all()
    assert lines[8].sum() == lines[20].sum() == 1
    import cv2

    assert cv2.connectedComponents(lines.astype(np.uint8), connectivity=8)[0] == 2  # the ground and one line
    np.testing.assert_array_equal(thin(lines), lines)
    assert thin(line(3)).sum() == 40


def test_outlines_of_a_segmentation() -> None:
    labels = np.zeros((10, 10), dtype=np.int64)
    labels[:, 6:] = 3
    assert np.argwhere(outlines_of(labels))[:, 1].tolist() == [5] * 10


def test_counts_and_f_of_several_annotators() -> None:
    """One annotator drew only the found line. The other one drew a second line, too."""
    strength = np.where(line(20), 0.5, 0.0).astype(np.float32)
    counts = count_matches(strength, [line(20), line(20) | line(5)])
    assert counts.shape == (len(THRESHOLDS), 4)
    low, high = counts[THRESHOLDS.index(0.5)], counts[THRESHOLDS.index(0.55)]
    assert low.tolist() == [80, 120, 40, 40]
    assert high.tolist() == [0, 120, 0, 0]
    assert f_measure(low) == pytest.approx(2 * (2 / 3) / (1 + 2 / 3))
    assert f_measure(high) == 0


def test_one_threshold_for_all_is_no_better_than_each_images_own() -> None:
    faint, strong = (np.where(line(20), value, 0).astype(np.float32) for value in (0.3, 0.9))
    strong = np.maximum(strong, np.where(line(5), 0.6, 0)).astype(np.float32)  # a line that is not there
    counts = np.stack([count_matches(image, [line(20)]) for image in (faint, strong)])
    ods, ois = ods_ois(counts, ["a", "b"])
    assert ois.value == 1.0
    assert ods.value == pytest.approx(0.8)  # at 0.3: recall 1, precision 2/3; a higher one loses the first image
    assert ods.ci95[0] <= ods.value <= ods.ci95[1]
    alone, _ = ods_ois(counts[:1], ["a"])
    assert alone.ci95 == (None, None)
    together, _ = ods_ois(counts, ["a", "a"])
    assert together.ci95 == (None, None)
