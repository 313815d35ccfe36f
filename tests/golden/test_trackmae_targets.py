"""TrackMAE's pixel targets, motion targets and motion-aware masks equal those of the official code."""

from __future__ import annotations

import re

import numpy as np
import pytest
import torch
from torch import Tensor
from vgmae_baselines.trackmae.network import EncoderConfig, split
from vgmae_baselines.trackmae.targets.masking import motion_bins, tube_motion
from vgmae_baselines.trackmae.targets.motion import MotionConfig, motion_targets, upsample
from vgmae_baselines.trackmae.targets.spatial import pixel_targets

from tests.golden import goldens

TARGETS, MASKS = "tm_targets.npz", "tm_motion_mask.npz"


def tolerance(file: str, name: str) -> float:
    found = re.match(r"atol (\S+)", goldens.entry(file)["tolerance"][name])
    assert found
    return float(found[1])


def tracks(file: str, name: str) -> Tensor:
    """[B, points, frames, 2]"""
    return torch.from_numpy(goldens.arrays(file)[name]).transpose(1, 2)


@pytest.mark.parametrize("name", ["pixel_norm", "pixel_raw"])
def test_pixel_targets(name: str) -> None:
    made, stored = goldens.entry(TARGETS)["constructor"], goldens.arrays(TARGETS)
    frames = torch.from_numpy(stored["video_u8"])
    patch = made["patch_size"]
    config = EncoderConfig(image_size=frames.shape[2], patch_size=patch, num_frames=made["frames"])
    hidden = split(torch.from_numpy(stored["mask"]).bool(), config.num_tokens)[1]
    rgb = frames.permute(0, 4, 1, 2, 3).float() / 255
    ours = pixel_targets(rgb, hidden, config, normalise=name == "pixel_norm")
    np.testing.assert_allclose(ours, stored[name], atol=tolerance(TARGETS, "pixel"), rtol=0)


@pytest.mark.parametrize("lattice", ["14up", "28"])
@pytest.mark.parametrize("norm", ["patch", "none"])
def test_motion_targets(lattice: str, norm: str) -> None:
    stored = goldens.arrays(TARGETS)
    xy = tracks(TARGETS, f"tracks{lattice.removesuffix('up')}")
    config = MotionConfig(
        motion_norm="patch" if norm == "patch" else "none",
        motion_var_floor=0,
        motion_visibility_weight=False,
        motion_drop_last=False,
        upsample_tracks=lattice == "14up",
    )
    values, weights = motion_targets(xy, torch.ones(xy.shape[:3], dtype=torch.bool), 16, config)
    official = stored[f"motion_{lattice}_{norm}"]
    assert (weights == 1).all()
    if norm == "none":
        np.testing.assert_allclose(values, official, atol=tolerance(TARGETS, "motion_none"), rtol=0)
        return
    least = float(goldens.entry(TARGETS)["tolerance"]["motion_patch"].split("> ")[1].split(";")[0])
    raw = stored[f"motion_{lattice}_none"].reshape(*official.shape[:2], 4, 2)
    spread = raw.std(axis=2, ddof=1)
    sure = np.broadcast_to((spread > least)[:, :, None], raw.shape).reshape(official.shape)
    assert sure.mean() > 0.5
    np.testing.assert_allclose(values.numpy()[sure], official[sure], atol=tolerance(TARGETS, "motion_patch"), rtol=0)
    if lattice == "14up":  # the file's own measure of what is well conditioned
        np.testing.assert_allclose(spread, stored["subpoint_std"], atol=1e-4)


def test_upsampled_tracks() -> None:
    ours = upsample(tracks(TARGETS, "tracks14")).transpose(1, 2)[:, [0, 7]]
    official = goldens.arrays(TARGETS)["tracks14_upsampled"]
    np.testing.assert_allclose(ours, official, atol=tolerance(TARGETS, "tracks_up"), rtol=0)


@pytest.mark.parametrize("case", ["a", "b", "c", "d"])
def test_motion_aware_masks(case: str) -> None:
    stored, stats = goldens.arrays(MASKS), goldens.entry(MASKS)["stats"][f"{case}."]
    points, shown, share, _ = stored[f"{case}.params"]
    grid = goldens.entry(MASKS)["constructor"]["grid"]
    motion = tube_motion(tracks(MASKS, f"tracks{round(points**0.5)}"), grid)
    np.testing.assert_allclose(motion, stored[f"{case}.magnitude"], atol=tolerance(MASKS, "magnitude"), rtol=0)
    zeros = np.zeros((len(motion), grid**2 // 2), dtype=np.float32)
    noise = np.concatenate([stored.get(f"{case}.noise_{half}", zeros) for half in ("high", "low")], axis=1)
    for clip, (moves, draws) in enumerate(zip(motion, torch.from_numpy(noise), strict=True)):
        mask = motion_bins(moves, draws, round(shown), float(share)).numpy()
        np.testing.assert_array_equal(mask, stored[f"{case}.mask"][clip].astype(bool))
        assert (~mask).sum() == stats["visible"][clip]
        assert (~mask & stored[f"{case}.high_bin"][clip].astype(bool)).sum() == stats["visible_from_high"][clip]
