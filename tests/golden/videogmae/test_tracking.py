"""Tracking through given motion equals the official tracker; so do flow and weights read from Gaussians."""

from __future__ import annotations

import re
from dataclasses import replace
from functools import cache

import numpy as np
import pytest
import torch
from torch import Tensor

from tests.golden import goldens
from tests.golden.goldens import Golden
from vgmae_bench.videogmae.gaussians.gaussians import Activation, activate, fixed_camera
from vgmae_bench.videogmae.gaussians.motion import read_motion
from vgmae_bench.videogmae.gaussians.switches import PRESETS, Switches
from vgmae_bench.videogmae.gaussians.tracking import AnchorTracks, Motion, follow_anchors, sample_map

TRACK, FLOW = "vg_track*.npz", "vg_zeroshot_flow*.npz"
RELEASE = PRESETS["release"]


def _motion(file: Golden, weights: np.ndarray | None = None) -> Motion:
    """Motion from dense maps, official layout: centres of frames 1, … only; those of frame 0 must not matter."""
    maps, centres = torch.from_numpy(file["weights"] if weights is None else weights), file["centers"]

    def weights_of(frame: int, pixels: Tensor) -> Tensor:
        return maps[frame, pixels[:, 1], pixels[:, 0]]

    unknown = np.full_like(centres[:1], np.nan)
    return Motion(
        flow=file.tensor("flows"),
        centres=torch.from_numpy(np.concatenate([unknown, centres])),
        usable=torch.ones(centres.shape[:2], dtype=torch.bool),
        weights=weights_of,
    )


def _switches(params: np.ndarray) -> Switches:
    return replace(RELEASE, topk=int(params[0]), tau=float(params[1]), beta=float(params[2]))


def _check(file: Golden, tracks: AnchorTracks, prefix: str, traj: float, pis: float, *, given: bool = False) -> None:
    """Official arrays are time first, and repeat the last row of shares."""
    if f"{prefix}ids" in file and not given:
        file.close(f"{prefix}ids", tracks.anchors)
    file.close(f"{prefix}traj", tracks.xy.transpose(0, 1), atol=traj)
    shares = tracks.shares.transpose(0, 1)
    file.close(f"{prefix}pis", torch.cat([shares, shares[-1:]]), atol=pis)
    file.close(f"{prefix}vis", tracks.visible.T)


@pytest.mark.parametrize(("file", "case"), goldens.each(TRACK, cases=lambda file: goldens.prefixes(file, "params")))
def test_the_anchor_tracker_follows_the_official_one(file: Golden, case: str) -> None:
    tracks = follow_anchors(_motion(file), file.tensor("points_xy"), _switches(file[f"{case}params"]))
    _check(file, tracks, case, file.tolerance("traj"), file.tolerance("pis"))


@pytest.mark.parametrize("file", goldens.each(TRACK))
def test_without_any_weight_all_anchors_count_the_same(file: Golden) -> None:
    switches = replace(
        RELEASE,
        topk=file["weights"].shape[-1],
        tau=file.setting("zero.traj", "tau "),
        beta=file.setting("zero.traj", "beta "),
    )
    tracks = follow_anchors(_motion(file, np.zeros_like(file["weights"])), file.tensor("points_xy"), switches)
    _check(file, tracks, "zero.", file.tolerance("traj"), file.tolerance("pis"))


@pytest.mark.parametrize("file", goldens.each(TRACK))
def test_tracks_clipped_to_the_frame_are_the_official_output(file: Golden) -> None:
    """The official code clips both coordinates to one size, whatever the frame's shape."""
    start = file.tensor("wrap.points_tyx")[:, [2, 1]]
    tracks = follow_anchors(_motion(file), start, RELEASE)
    size = file.setting("wrap.tracks", "image_size=")
    file.close("wrap.tracks", tracks.xy.transpose(0, 1).clamp(0, size), atol=file.tolerance("traj"))
    file.close("wrap.occlusions", ~tracks.visible.T)


@pytest.mark.parametrize("file", goldens.each(TRACK))
def test_maps_are_sampled_as_the_official_sampler_does(file: Golden) -> None:
    sampled = sample_map(file.tensor("flows")[0], file.tensor("sample_xy"), "index")
    file.close("sample_flow", sampled, atol=file.tolerance("traj"))


@cache
def _read(file: Golden, anchor_weights: str) -> Motion:
    width, height = (int(side) for side in file["size"])
    x = file.tensor("x_points").unflatten(1, (file.constructor["T"], -1))
    switches = replace(RELEASE, anchor_weights=anchor_weights)  # type: ignore[arg-type]  # one of its two values
    return read_motion(activate(x, Activation()), fixed_camera(height, width, like=x), switches)


def _dense_weights(motion: Motion) -> np.ndarray:
    """[T - 1, H, W, G], the weights of every pixel of the frames before the last."""
    frames, height, width = motion.flow.shape[:3]
    pixels = torch.cartesian_prod(torch.arange(height), torch.arange(width)).flip(1)
    return np.stack([motion.weights(frame, pixels).numpy().reshape(height, width, -1) for frame in range(frames)])


def _check_maps(file: Golden, name: str, actual: np.ndarray, key: str) -> None:
    """Outside of the pixels where a discrete decision is on the edge, and there too if a limit is given for them."""
    ambiguous = np.broadcast_to(file["ambiguous"].astype(bool)[..., None], file[name].shape)
    file.close(name, actual[None], atol=file.tolerance(key), where=~ambiguous)
    inside = re.search(r"\(([\d.]+) inside\)", file.entry["tolerance"][key])
    if inside and ambiguous.any():
        file.close(name, actual[None], atol=float(inside[1]), where=ambiguous)


@pytest.mark.parametrize("file", goldens.each(FLOW))
def test_flow_and_centres(file: Golden) -> None:
    motion = _read(file, "one_hot")
    _check_maps(file, "flows", motion.flow.numpy(), "flows")
    file.close("centers", motion.centres[None, 1:], atol=file.tolerance("centers"))


@pytest.mark.parametrize("file", goldens.each(FLOW))
def test_weights_of_single_gaussians_and_of_the_official_chunks(file: Golden) -> None:
    _check_maps(file, "weights_onehot", _dense_weights(_read(file, "one_hot")), "weights")
    chunks = _dense_weights(_read(file, "chunk_sum"))[..., :: file.constructor["chunk"]]
    _check_maps(file, "weights_official_blocks", chunks, "weights")


@pytest.mark.parametrize("kind", ["onehot", "official"])
@pytest.mark.parametrize("file", goldens.each(FLOW))
def test_from_network_output_to_tracks(file: Golden, kind: str) -> None:
    """True weights leave no tie, so the anchors must be the same; the official ones tie, so its choice is given."""
    start = file.tensor("query_tyx")[:, [2, 1]]
    told = [int(file.setting("e2e_onehot.traj", "topk ")), file.setting("e2e_onehot.traj", "tau ")]
    switches = replace(RELEASE, topk=told[0], tau=told[1], beta=file.setting("e2e_onehot.traj", "beta "))
    motion = _read(file, "one_hot" if kind == "onehot" else "chunk_sum")
    given = file.tensor(f"e2e_{kind}.ids").long() if kind == "official" else None
    tracks = follow_anchors(motion, start, switches, given)
    traj, pis = file.tolerance("e2e_traj"), file.tolerance("weights")
    _check(file, tracks, f"e2e_{kind}.", traj, pis, given=given is not None)
