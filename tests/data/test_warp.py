"""The included photographs: documented scores, and tracks that follow their pixels."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import pytest

from tests.shared.plans import plan
from vgmae_bench.data.open import open_dataset
from vgmae_bench.data.prepared import PreparedDataset
from vgmae_bench.data.verify import verify
from vgmae_bench.data.warp import FILE, WarpConfig, warp
from vgmae_bench.errors import UsageError
from vgmae_bench.evaluation.run import execute


def test_points_that_never_move_score_what_the_official_metrics_give(tmp_path: Path) -> None:
    metrics = execute(plan("zero-motion", "warp", out=tmp_path), figures=0).metrics
    found = [metrics[name].mean for name in ("average_jaccard", "average_pts_within_thresh", "occlusion_accuracy")]
    assert found == pytest.approx([0.0725506, 0.1279426, 0.9452533], abs=1e-6)


def test_tracks_follow_the_image_content() -> None:
    """The brightness under a visible point changes little over a clip; a few pixels beside its track it changes much."""
    for clip_id in warp(WarpConfig()).ids:
        clip = warp(WarpConfig()).clip(clip_id)
        grey = clip.read().mean(axis=3)
        seen = ~clip.occluded[:, 1:] & ~clip.occluded[:, :-1]
        assert _change(grey, clip.tracks(), seen) < 0.5 * _change(grey, clip.tracks() + _drift(clip.num_frames), seen)


def _drift(num_frames: int) -> np.ndarray:
    return np.array([6.0, 0.0]) * (np.arange(num_frames) % 2)[:, None]


def _change(grey: np.ndarray, xy: np.ndarray, seen: np.ndarray) -> float:
    column, row = np.clip(np.floor(xy), 0, 255).astype(int).transpose(2, 0, 1)
    values = grey[np.arange(len(grey)), row, column]
    return float(np.abs(np.diff(values, axis=1))[seen].mean())


def test_warp_names_its_photographs() -> None:
    about = PreparedDataset(FILE).about
    assert set(about["motions"]) == set(warp(WarpConfig()).ids)
    assert {photograph["licence"] for photograph in about["photographs"].values()} == {"CC0 1.0", "public domain"}
    used = {name for motion in about["motions"].values() for name in motion["photographs"]}
    assert used == set(about["photographs"])


def test_it_opens_by_name_without_a_data_root_and_is_whole(tmp_path: Path) -> None:
    dataset = open_dataset("warp", root=tmp_path / "nowhere")
    assert (dataset.name, list(dataset.ids)) == ("warp", list(warp(WarpConfig()).ids))
    assert verify("warp", tmp_path / "nowhere") == []


def test_a_part_has_the_first_frames_and_tracks_and_another_digest() -> None:
    whole = open_dataset("warp")
    part = open_dataset("warp", {"clips": 2, "frames": 3, "points": 5})
    assert list(part.ids) == list(whole.ids)[:2] and part.digest != whole.digest
    for clip in part:
        full = whole.clip(clip.id)
        seen = np.flatnonzero(~full.occluded[:, :3].all(axis=1))[:5]
        np.testing.assert_array_equal(clip.points, full.points[seen, :3])
        np.testing.assert_array_equal(clip.occluded, full.occluded[seen, :3])
        np.testing.assert_array_equal(clip.frames(), full.frames()[:3])
    with pytest.raises(UsageError):
        open_dataset("warp", {"frames": 0})


def test_a_frame_limit_beyond_the_clip_gives_the_whole_clip() -> None:
    part = open_dataset("warp", {"frames": 99, "points": 999})
    for clip in part:
        np.testing.assert_array_equal(clip.points, warp(WarpConfig()).clip(clip.id).points)
