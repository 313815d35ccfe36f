from __future__ import annotations

import numpy as np
import pytest

from vgmae_bench.evaluation.protocols.sampling import sample_first, sample_strided

OCCLUDED = np.array(
    [
        [1, 0, 0, 0, 0, 1, 0],
        [1, 1, 1, 1, 1, 1, 1],
        [0, 1, 1, 1, 1, 0, 1],
    ],
    dtype=bool,
)
POINTS = np.arange(OCCLUDED.size * 2, dtype=np.float32).reshape(*OCCLUDED.shape, 2)


def test_first_takes_the_earliest_visible_frame_of_every_track() -> None:
    sample = sample_first(OCCLUDED, POINTS)
    assert sample.track.tolist() == [0, 2]
    assert sample.frame.tolist() == [1, 0]
    np.testing.assert_array_equal(sample.xy, [POINTS[0, 1], POINTS[2, 0]], strict=True)


def test_strided_takes_what_is_visible_every_few_frames() -> None:
    assert list(zip(*_frame_and_track(5), strict=True)) == [(0, 2), (5, 2)]
    assert list(zip(*_frame_and_track(2), strict=True)) == [(0, 2), (2, 0), (4, 0), (6, 0)]


def _frame_and_track(stride: int) -> tuple[list[int], list[int]]:
    sample = sample_strided(OCCLUDED, POINTS, stride)
    np.testing.assert_array_equal(sample.xy, POINTS[sample.track, sample.frame], strict=True)
    return sample.frame.tolist(), sample.track.tolist()


@pytest.mark.parametrize("tracks", [0, 3])
def test_nothing_visible_means_no_queries_in_either_mode(tracks: int) -> None:
    occluded, points = np.ones((tracks, 7), dtype=bool), np.zeros((tracks, 7, 2))
    for sample in (sample_first(occluded, points), sample_strided(occluded, points)):
        assert sample.frame.shape == sample.track.shape == (0,)
        assert sample.xy.shape == (0, 2)
        assert sample.frame.dtype == sample.track.dtype == np.int64


@pytest.mark.parametrize("dtype", [np.uint8, np.int64])
def test_integer_occlusion_means_the_same_as_boolean(dtype: type) -> None:
    for sampler in (sample_first, sample_strided):
        as_bool, as_integer = sampler(OCCLUDED, POINTS), sampler(OCCLUDED.astype(dtype), POINTS)
        np.testing.assert_array_equal(as_bool.track, as_integer.track)
        np.testing.assert_array_equal(as_bool.frame, as_integer.frame)
