"""GMRW's network, transition matrix and flow equal those of the official code, for both input ranges."""

from __future__ import annotations

import re
from functools import cache
from typing import Any, NamedTuple

import numpy as np
import pytest
import torch
from torch import Tensor
from vgmae_baselines.gmrw.lattice import Lattice
from vgmae_baselines.gmrw.matching import Matcher, Matching, prepare
from vgmae_baselines.gmrw.network import GMRW, NetworkConfig
from vgmae_baselines.gmrw.readout import Readout, expected_positions, transition
from vgmae_baselines.gmrw.windows import window_positions

from tests.golden import goldens
from tests.golden.goldens import Golden

RANGES: dict[str, Any] = {"r1": "correct", "r255": "official"}


def runs(file: Golden) -> list[str]:
    """The input ranges that a file has."""
    found = sorted({name.split(".")[0] for name in file.stored if "." in name})
    assert found and set(found) <= set(RANGES)
    return found


def flows(file: Golden) -> list[str]:
    """The arrays of flow at every pixel."""
    return sorted(name for name in file.stored if re.search(r"\.flow\d\d", name))


FILES = goldens.each("gmrw_net_*.npz")
CASES = goldens.each("gmrw_net_*.npz", cases=runs)


def network_config(constructor: dict[str, Any]) -> NetworkConfig:
    """The official constructor's arguments as ours; what is not told is as released."""
    ours = {
        "feature_channels": "feature_channels",
        "num_transformer_layers": "layers",
        "ffn_dim_expansion": "ffn_expansion",
        "attn_splits": "splits",
    }
    return NetworkConfig(**{name: constructor[told] for told, name in ours.items() if told in constructor})


@cache
def model(file: Golden) -> GMRW:
    network = GMRW(network_config(file.constructor)).eval()
    file.fill_by_rule(network)
    return network


class Run(NamedTuple):
    """What the network makes of two frames: [2, C, h, w] each."""

    backbone: Tensor
    matched: Tensor


@cache
def run_of(file: Golden, run: str) -> Run:
    images = [prepare(frame, 1, RANGES[run]) for frame in file.tensor("frames_u8")]
    with torch.no_grad():
        backbone = torch.cat([model(file).backbone_features(image) for image in images])
        return Run(backbone, torch.cat(model(file).match(backbone[:1], backbone[1:])))


def close(file: Golden, name: str, ours: Tensor, kind: str) -> None:
    """Compare with the golden of that name, where the file has it, at the tolerance of that kind."""
    if name not in file:
        return
    every = re.search(r"channels 0,(\d+),", file.what(name))
    file.close(name, ours[..., :: int(every[1]), :, :] if every else ours, atol=file.tolerance(kind))


@pytest.mark.parametrize(("file", "run"), CASES)
def test_features(file: Golden, run: str) -> None:
    backbone, matched = run_of(file, run)
    splits = model(file).config.splits
    _, channels, height, width = backbone.shape
    close(file, f"{run}.backbone", backbone, "backbone")
    positions = window_positions(height, width, channels, splits)
    close(file, f"{run}.with_position", backbone + positions, "backbone")
    close(file, f"{run}.feature1", matched[0], "feature")
    close(file, f"{run}.feature2", matched[1], "feature")


@pytest.mark.parametrize(("file", "run"), CASES)
def test_transition_matrix(file: Golden, run: str) -> None:
    _, matched = run_of(file, run)
    rows, tau = file["rows"], model(file).config.temperature
    there, back = transition(matched[:1], matched[1:], tau)[0], transition(matched[1:], matched[:1], tau)[0]
    close(file, f"{run}.A12_rows", there[rows], "A_rows")
    if f"{run}.A21_rows" in file:
        every = int(file.setting(f"{run}.A21_rows", "rows[::"))
        close(file, f"{run}.A21_rows", back[rows[::every]], "A_rows")
    two = there.topk(2, dim=1).values
    close(file, f"{run}.A12_margin", two[:, 0] - two[:, 1], "A_rows")
    file.close(f"{run}.A12_argmax", there.argmax(dim=1), where=certain(file, run))


def certain(file: Golden, run: str) -> np.ndarray:
    """Cells whose two best matches differ by more than INDEX.json asks for; they are most."""
    sure: np.ndarray = file[f"{run}.A12_margin"] > file.tolerance("argmax", "> ")
    assert sure.mean() > 0.5
    return sure


@pytest.mark.parametrize(("file", "run"), CASES)
def test_flow_in_cells(file: Golden, run: str) -> None:
    matched = run_of(file, run).matched
    positions = expected_positions(matched[:1], matched[1:], model(file).config.temperature, Readout())[0]
    height, width = positions.shape[:2]
    flow = positions - pixels(height, width).view(height, width, 2)
    close(file, f"{run}.flow_cells", flow.permute(2, 0, 1), "flow")


def pixel_flow(file: Golden, run: str, *, back: bool = False, upsample: Any = 1, **settings: Any) -> Tensor:
    """Our flow [2, H, W] at every pixel, from frames to pixels as the tracker makes it."""
    frames = file["frames_u8"]
    height, width = frames.shape[1:3]
    matching = Matching(RANGES[run], upsample, "official", "index", **settings)
    with torch.no_grad():
        flows = Matcher(model(file), frames, matching).flows(0, 1)
        return (flows.back if back else flows.there)(pixels(height, width)).T.unflatten(1, (height, width))


def pixels(height: int, width: int) -> Tensor:
    """Float [height * width, 2] (column, row)."""
    rows, columns = torch.meshgrid(torch.arange(height), torch.arange(width), indexing="ij")
    return torch.stack([columns, rows], dim=-1).view(-1, 2).float()


@pytest.mark.parametrize("by", ["attention", "dense", "rows"])
@pytest.mark.parametrize(("file", "run"), CASES)
def test_flow_at_pixels(file: Golden, run: str, by: str) -> None:
    for name, back in (("flow12", False), ("flow21", True)):
        if f"{run}.{name}" in file:
            close(file, f"{run}.{name}", pixel_flow(file, run, back=back, by=by, chunk_bytes=100_000), "flow")


@pytest.mark.parametrize(
    ("file", "name"),
    goldens.each("gmrw_net_*.npz", cases=lambda file: [name for name in flows(file) if "_up" in name]),
)
def test_flow_of_enlarged_frames(file: Golden, name: str) -> None:
    run, array = name.split(".")
    close(file, name, pixel_flow(file, run, back="21" in array, upsample=int(array.rsplit("_up")[1])), "flow")


@pytest.mark.parametrize(
    ("file", "name"),
    goldens.each("gmrw_net_*.npz", cases=lambda file: [name for name in flows(file) if "argmax" in name]),
)
def test_flow_by_the_best_match(file: Golden, name: str) -> None:
    """Compared at the pixels that are read from cells of which the best match is certain."""
    run, array = name.split(".")
    method = array.removeprefix("flow12_").rstrip("0123456789")
    settings = {} if method == "argmax" else {"radius": int(file.setting(name, "window_threshold "))}
    ours = pixel_flow(file, run, method=method, **settings)
    height, width = ours.shape[1:]
    backbone = run_of(file, run).backbone
    lattice = Lattice((height, width), (backbone.shape[2], backbone.shape[3]), 1, "official", "index")
    cells, shares = lattice.taps(pixels(height, width))
    unsure = torch.from_numpy(~certain(file, run))[cells] & (shares > 0)
    sure = ~unsure.any(dim=0).view(height, width)
    file.close(name, ours, atol=file.tolerance("flow"), where=sure.expand_as(ours))


@pytest.mark.parametrize("file", FILES)
def test_names_shapes_and_values_match_the_fingerprints(file: Golden) -> None:
    file.check_fingerprints(model(file))
