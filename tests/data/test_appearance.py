"""Exchanged axes are invisible in fractions of a frame, and visible in the video."""

from __future__ import annotations

from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest

from tests.clips import moving_square
from tests.data.toy import save_davis
from vgmae_bench.data.appearance import looks_exchanged
from vgmae_bench.data.open import open_dataset
from vgmae_bench.data.verify import verify


@pytest.mark.parametrize("name", ["warp", "synth"])
def test_exchanged_axes_are_seen_and_nothing_else(name: str) -> None:
    dataset, _ = open_dataset(name, {} if name == "warp" else {"clips": 2})
    for clip_id in dataset.ids:
        clip = dataset.clip(clip_id)
        frames = clip.read()
        assert not looks_exchanged(clip, frames)
        assert looks_exchanged(replace(clip, points=clip.points[..., ::-1].copy()), frames)
        assert not looks_exchanged(replace(clip, points=clip.points[:, ::-1].copy()), frames)  # wrong in another way
        assert not looks_exchanged(clip, np.full_like(frames, 99))  # nothing to be seen


def test_verify_names_the_clip(tmp_path: Path) -> None:
    good = moving_square(12, (48, 80), seed=3, num_points=30)
    bad = {**good, "points": good["points"][..., ::-1].copy()}
    save_davis(tmp_path, {"good": good, "bad": bad})
    found = [finding for finding in verify("davis", tmp_path) if finding.severity == "error"]
    assert [finding.where for finding in found] == ["bad"]
    assert "x and y look exchanged" in found[0].fault


def test_a_black_video_is_noted(tmp_path: Path) -> None:
    save_davis(tmp_path, {"black": {**moving_square(), "video": np.ones((12, 64, 64, 3), np.uint8)}})
    assert "all its pixels are 0 or 1: it is black" in [finding.fault for finding in verify("davis", tmp_path)]
