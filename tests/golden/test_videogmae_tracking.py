"""Tracking through given motion equals the official tracker; so do flow and weights read from Gaussians."""

from __future__ import annotations

import re
from dataclasses import replace

import numpy as np
import pytest
import torch
from torch import Tensor

from tests.golden import goldens
from vgmae_bench.videogmae.gaussians.gaussians import Activation, activate, fixed_camera
from vgmae_bench.videogmae.gaussians.motion import read_motion
from vgmae_bench.videogmae.gaussians.switches import PRESETS, Switches
from vgmae_bench.videogmae.gaussians.tracking import AnchorTracks, Motion, follow_anchors, sample_map

TRACK, FLOW = "vg_track.npz", "vg_zeroshot_flow.npz"
RELEASE = PRESETS["release"]


def _atol(file: str, name: str) -> float:
    """The number after "atol" in a tolerance of INDEX.json."""
    return float(goldens.entry(file)["tolerance"][name].split("atol ")[1].split()[0])


def _cases() -> list[str]:
    return sorted(name.removesuffix("params") for name in goldens.arrays(TRACK) if name.endswith(".params"))


def _motion(flow: np.ndarray, weights: np.ndarray, centres: np.ndarray) -> Motion:
    """Motion from dense maps, official layout: centres of frames 1, … only; those of frame 0 must not matter."""
    maps = torch.from_numpy(weights)

    def weights_of(frame: int, pixels: Tensor) -> Tensor:
        return maps[frame, pixels[:, 1], pixels[:, 0]]

    unknown = np.full_like(centres[:1], np.nan)
    return Motion(
        flow=torch.from_numpy(flow),
        centres=torch.from_numpy(np.concatenate([unknown, centres])),
        usable=torch.ones(centres.shape[:2], dtype=torch.bool),
        weights=weights_of,
    )


def _switches(params: np.ndarray) -> Switches:
    return replace(RELEASE, topk=int(params[0]), tau=float(params[1]), beta=float(params[2]))


def _assert_equal(tracks: AnchorTracks, expected: dict[str, np.ndarray], prefix: str, traj: float, pis: float) -> None:
    """Official arrays are time first, and repeat the last row of shares."""
    np.testing.assert_array_equal(tracks.anchors.numpy(), expected[f"{prefix}ids"])
    np.testing.assert_allclose(tracks.xy.numpy().swapaxes(0, 1), expected[f"{prefix}traj"], rtol=0, atol=traj)
    np.testing.assert_allclose(tracks.shares.numpy().swapaxes(0, 1), expected[f"{prefix}pis"][:-1], rtol=0, atol=pis)
    np.testing.assert_array_equal(tracks.visible.numpy().T, expected[f"{prefix}vis"].astype(bool))


@pytest.mark.parametrize("case", _cases())
def test_the_anchor_tracker_follows_the_official_one(case: str) -> None:
    data = goldens.arrays(TRACK)
    motion = _motion(data["flows"], data["weights"], data["centers"])
    tracks = follow_anchors(motion, torch.from_numpy(data["points_xy"]), _switches(data[f"{case}params"]))
    _assert_equal(tracks, data, case, _atol(TRACK, "traj"), _atol(TRACK, "pis"))


def test_without_any_weight_all_anchors_count_the_same() -> None:
    data = goldens.arrays(TRACK)
    motion = _motion(data["flows"], np.zeros_like(data["weights"]), data["centers"])
    switches = replace(RELEASE, topk=data["weights"].shape[-1], tau=0.5, beta=0.3)
    tracks = follow_anchors(motion, torch.from_numpy(data["points_xy"]), switches)
    expected = {**data, "zero.ids": tracks.anchors.numpy()}
    _assert_equal(tracks, expected, "zero.", _atol(TRACK, "traj"), _atol(TRACK, "pis"))


def test_tracks_clipped_to_the_frame_are_the_official_output() -> None:
    data = goldens.arrays(TRACK)
    motion = _motion(data["flows"], data["weights"], data["centers"])
    tracks = follow_anchors(motion, torch.from_numpy(data["wrap.points_tyx"][:, :0:-1].copy()), RELEASE)
    height, width = data["flows"].shape[1:3]
    clipped = tracks.xy.numpy().swapaxes(0, 1).clip(0, [width, height])
    np.testing.assert_allclose(clipped, data["wrap.tracks"], rtol=0, atol=_atol(TRACK, "traj"))
    np.testing.assert_array_equal(tracks.visible.numpy().T, data["wrap.occlusions"] == 0)


def test_maps_are_sampled_as_the_official_sampler_does() -> None:
    data = goldens.arrays(TRACK)
    sampled = sample_map(torch.from_numpy(data["flows"][0]), torch.from_numpy(data["sample_xy"]), "index")
    np.testing.assert_allclose(sampled.numpy(), data["sample_flow"], rtol=0, atol=_atol(TRACK, "traj"))


def _read(**changes: object) -> Motion:
    data = goldens.arrays(FLOW)
    width, height = (int(side) for side in data["size"])
    x = torch.from_numpy(data["x_points"]).unflatten(1, (goldens.entry(FLOW)["constructor"]["T"], -1))
    switches = replace(RELEASE, **changes)  # type: ignore[arg-type]  # tests name fields of their own choice
    return read_motion(activate(x, Activation()), fixed_camera(height, width, like=x), switches)


def _dense_weights(motion: Motion) -> np.ndarray:
    """[T - 1, H, W, G], the weights of every pixel of the frames before the last."""
    frames, height, width = motion.flow.shape[:3]
    pixels = torch.cartesian_prod(torch.arange(height), torch.arange(width)).flip(1)
    return np.stack([motion.weights(frame, pixels).numpy().reshape(height, width, -1) for frame in range(frames)])


def _assert_maps_equal(actual: np.ndarray, name: str, tolerance: str) -> None:
    """Outside of the pixels where a discrete decision is on the edge, and there too if a limit is given for them."""
    data = goldens.arrays(FLOW)
    difference = np.abs(actual - data[name][0]).max(axis=-1)
    ambiguous = data["ambiguous"][0].astype(bool)
    assert difference[~ambiguous].max() <= _atol(FLOW, tolerance)
    inside = re.search(r"\(([\d.]+) inside\)", goldens.entry(FLOW)["tolerance"][tolerance])
    if inside:
        assert difference[ambiguous].max() <= float(inside[1])


def test_flow_and_centres() -> None:
    motion = _read()
    _assert_maps_equal(motion.flow.numpy(), "flows", "flows")
    expected = goldens.arrays(FLOW)["centers"][0]
    np.testing.assert_allclose(motion.centres[1:].numpy(), expected, rtol=0, atol=_atol(FLOW, "centers"))


def test_weights_of_single_gaussians_and_of_the_official_chunks() -> None:
    _assert_maps_equal(_dense_weights(_read(anchor_weights="one_hot")), "weights_onehot", "weights")
    chunks = _dense_weights(_read(anchor_weights="chunk_sum"))[..., :: goldens.entry(FLOW)["constructor"]["chunk"]]
    _assert_maps_equal(chunks, "weights_official_blocks", "weights")


@pytest.mark.parametrize("kind", ["onehot", "official"])
def test_from_network_output_to_tracks(kind: str) -> None:
    """True weights leave no tie, so the anchors must be the same; the official ones tie, so its choice is given."""
    data = goldens.arrays(FLOW)
    expected = {name: data[name] for name in data if name.startswith(f"e2e_{kind}.")}
    start = torch.from_numpy(data["query_tyx"][:, :0:-1].copy())
    motion = _read(anchor_weights="one_hot" if kind == "onehot" else "chunk_sum")
    given = torch.from_numpy(data[f"e2e_{kind}.ids"]).long() if kind == "official" else None
    tracks = follow_anchors(motion, start, RELEASE, given)
    _assert_equal(tracks, expected, f"e2e_{kind}.", traj=_atol(FLOW, "e2e_traj"), pis=_atol(FLOW, "weights"))
