"""TrackMAE's pixel targets, motion targets and motion-aware masks equal those of the official code."""

from __future__ import annotations

import re
from typing import Any

import numpy as np
import pytest
import torch
from torch import Tensor
from vgmae_baselines.trackmae.network import EncoderConfig, split
from vgmae_baselines.trackmae.targets.masking import motion_bins, tube_motion
from vgmae_baselines.trackmae.targets.motion import MotionConfig, motion_targets, upsample
from vgmae_baselines.trackmae.targets.spatial import pixel_targets

from tests.golden import goldens
from tests.golden.goldens import Golden

TARGETS, MASKS = "tm_targets*.npz", "tm_motion_mask*.npz"


def tracks(file: Golden, name: str) -> Tensor:
    """[B, points, frames, 2]"""
    return file.tensor(name).transpose(1, 2)


@pytest.mark.parametrize("name", ["pixel_norm", "pixel_raw"])
@pytest.mark.parametrize("file", goldens.each(TARGETS))
def test_pixel_targets(file: Golden, name: str) -> None:
    frames = file.tensor("video_u8")
    config = EncoderConfig(
        image_size=frames.shape[2], patch_size=file.constructor["patch_size"], num_frames=file.constructor["frames"]
    )
    hidden = split(file.tensor("mask").bool(), config.num_tokens)[1]
    rgb = frames.permute(0, 4, 1, 2, 3).float() / 255
    ours = pixel_targets(rgb, hidden, config, normalise=name == "pixel_norm")
    file.close(name, ours, atol=file.tolerance("pixel"))


def lattices(file: Golden) -> list[Any]:
    """Of "motion_14up_none": "14up", and so on."""
    found = (re.fullmatch(r"motion_(\w+)_(patch|none)", name) for name in file.stored)
    return sorted((match[1], match[2]) for match in found if match)


@pytest.mark.parametrize(("file", "case"), goldens.each(TARGETS, cases=lattices))
def test_motion_targets(file: Golden, case: tuple[str, str]) -> None:
    lattice, norm = case
    name = f"motion_{lattice}_{norm}"
    xy = tracks(file, f"tracks{lattice.removesuffix('up')}")
    config = MotionConfig(
        motion_norm="patch" if norm == "patch" else "none",
        motion_var_floor=0,
        motion_visibility_weight=False,
        motion_drop_last=False,
        upsample_tracks=lattice.endswith("up"),
    )
    seen = torch.ones(xy.shape[:3], dtype=torch.bool)
    values, weights = motion_targets(xy, seen, file.constructor["patch_size"], config)
    assert (weights == 1).all()
    if norm == "none":
        file.close(name, values, atol=file.tolerance("motion_none"))
        return
    official = file[name]
    raw = file[f"motion_{lattice}_none"].reshape(*official.shape[:2], 4, 2)
    spread = raw.std(axis=2, ddof=1)
    least = file.tolerance("motion_patch", "> ")
    sure = np.broadcast_to((spread > least)[:, :, None], raw.shape).reshape(official.shape)
    assert sure.mean() > 0.5
    file.close(name, values, atol=file.tolerance("motion_patch"), where=sure)
    if lattice.endswith("up"):  # the file's own measure of what is well conditioned
        file.close("subpoint_std", spread, atol=1e-4)


@pytest.mark.parametrize(
    ("file", "name"), goldens.each(TARGETS, cases=lambda file: goldens.prefixes(file, "_upsampled"))
)
def test_upsampled_tracks(file: Golden, name: str) -> None:
    found = re.search(r"of steps (\d+) and (\d+)", file.what(f"{name}_upsampled"))
    assert found
    ours = upsample(tracks(file, name)).transpose(1, 2)[:, [int(step) for step in found.groups()]]
    file.close(f"{name}_upsampled", ours, atol=file.tolerance("tracks_up"))


@pytest.mark.parametrize(("file", "case"), goldens.each(MASKS, cases=lambda file: goldens.prefixes(file, "mask")))
def test_motion_aware_masks(file: Golden, case: str) -> None:
    """The rank of a tube's noise within its half decides; a half that runs short is not made up for by the other."""
    points, shown, _, of_fast = file[f"{case}params"]
    share = float(str(file[f"{case}params"][2]))  # 0.9 as it was written, and not float32's neighbour of it
    assert int(share * shown) == of_fast
    grid, stats = file.constructor["grid"], file.entry["stats"][case]
    motion = tube_motion(tracks(file, f"tracks{round(points**0.5)}"), grid)
    file.close(f"{case}magnitude", motion, atol=file.tolerance("magnitude"))
    tubes = grid**2
    halves = {"noise_high": tubes // 2, "noise_low": tubes - tubes // 2}
    zeros = {half: np.zeros((len(motion), count), dtype=np.float32) for half, count in halves.items()}
    noise = np.concatenate([file.stored.get(f"{case}{half}", zeros[half]) for half in halves], axis=1)
    masks = [
        motion_bins(moves, draws, round(shown), share)
        for moves, draws in zip(motion, torch.from_numpy(noise), strict=True)
    ]
    hidden = torch.stack(masks).numpy()
    file.close(f"{case}mask", hidden)
    fast = np.zeros((len(motion), tubes), dtype=bool)
    np.put_along_axis(fast, motion.argsort(dim=1, descending=True)[:, : tubes // 2].numpy(), True, axis=1)
    file.close(f"{case}high_bin", fast)
    assert (~hidden).sum(axis=1).tolist() == stats["visible"]
    assert (~hidden & fast).sum(axis=1).tolist() == stats["visible_from_high"]
