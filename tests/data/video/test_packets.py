"""Counts and rates come from the frames and not from wrong headers."""

from __future__ import annotations

from fractions import Fraction
from pathlib import Path

import numpy as np
import pytest

from vgmae_bench.data.video.file import open_video, stack

VIDEOS = Path(__file__).parent.parent / "kinetics_videos"


@pytest.mark.parametrize(
    ("name", "frames", "fps"),
    [
        ("av.mp4", 45, 30),
        ("edit_list.mp4", 24, 30),  # the header says 45
        ("no_edit_list.mp4", 33, 30),
        ("rate_varies.mp4", 19, Fraction(38, 3)),
        ("offset.ts", 45, 30),
        ("same.avi", 45, 30),  # the header says 600 a second, and 900 frames
        ("raw.h264", 45, 30),  # no header
        ("cover_first.mp4", 45, 30),
    ],
)
def test_counts_and_rates(name: str, frames: int, fps: Fraction) -> None:
    video = open_video(VIDEOS / name)
    assert video.num_frames == frames
    assert float(video.fps) == pytest.approx(float(fps), rel=0.02)
    assert len(stack(video.frames())) == frames


@pytest.mark.parametrize("name", ["edit_list.mp4", "rate_varies.mp4", "offset.ts", "same.avi", "raw.h264"])
def test_every_frame_that_is_counted_can_be_read(name: str) -> None:
    video = open_video(VIDEOS / name)
    whole = stack(video.frames())
    assert (np.diff(whole.mean(axis=(1, 2, 3))) > 2).all(), "each frame is lighter than the one before"
    for start in range(0, video.num_frames, 5):
        np.testing.assert_array_equal(stack(video.frames(start=start, threads=1)), whole[start:])
