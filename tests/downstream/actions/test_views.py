"""The frames and the squares of views."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import pytest

from tests.videos import encode, greys, numbers
from vgmae_bench.data.synth.actions import ArrayVideo
from vgmae_bench.data.video.file import open_video
from vgmae_bench.downstream.actions.views import ViewConfig, frame_numbers, random_numbers, read_frames, views_of
from vgmae_bench.errors import UsageError


def test_dense_clips_are_spread_from_the_first_start_to_the_last() -> None:
    assert frame_numbers(30, 4, "dense", 4, 3) == [[0, 4, 8, 12], [8, 12, 16, 20], [17, 21, 25, 29]]
    assert frame_numbers(30, 4, "dense", 4, 1) == [[8, 12, 16, 20]]
    assert frame_numbers(6, 4, "dense", 4, 2) == [[0, 4, 5, 5]] * 2


def test_uniform_clips_take_a_frame_out_of_each_part() -> None:
    assert frame_numbers(16, 4, "uniform", 9, 1) == [[2, 6, 10, 14]]
    assert frame_numbers(16, 4, "uniform", 9, 2) == [[1, 5, 9, 13], [3, 7, 11, 15]]
    assert frame_numbers(3, 4, "uniform", 9, 1) == [[0, 1, 1, 2]]


@pytest.mark.parametrize("sampling", ["dense", "uniform"])
def test_random_clips_reach_every_frame_and_none_beyond(sampling: str) -> None:
    rng = np.random.default_rng(0)
    drawn = [random_numbers(rng, 16, 4, sampling, 3) for _ in range(300)]  # type: ignore[arg-type]
    assert {number for clip in drawn for number in clip} == set(range(16))
    assert all(clip == sorted(clip) for clip in drawn)


def test_frames_are_the_asked_ones_and_the_last_goes_on(tmp_path: Path) -> None:
    video = open_video(encode(tmp_path / "v.mp4", greys(12)))
    assert numbers(read_frames(video, [3, 5, 7, 7, 11])) == [3, 5, 7, 7, 11]
    assert numbers(read_frames(video, [10, 11, 14])) == [10, 11, 11]
    assert numbers(read_frames(video, [4])) == [4]


def test_squares_lie_along_the_longer_side() -> None:
    wide = np.zeros((4, 16, 40, 3), dtype=np.uint8)
    wide[:, :, :, 0] = np.arange(40)
    wide[..., 1] = np.arange(4)[:, None, None]
    config = ViewConfig(sampling="dense", stride=1, segments=2, crops=3)
    views = views_of(ArrayVideo.of(wide), 2, 16, config)
    assert views.shape == (6, 2, 16, 16, 3)
    assert views[:, 0, 0, 0].tolist() == [[0, 0, 0], [12, 0, 0], [24, 0, 0], [0, 2, 0], [12, 2, 0], [24, 2, 0]]
    tall = views_of(ArrayVideo.of(wide.swapaxes(1, 2)), 2, 8, ViewConfig("uniform", 1, 1, 1))
    assert tall.shape == (1, 2, 8, 8, 3)


def test_settings_out_of_range_are_refused() -> None:
    with pytest.raises(UsageError, match="segments"):
        ViewConfig(segments=0)
