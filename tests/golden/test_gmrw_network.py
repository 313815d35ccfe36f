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
from tests.golden.test_videogmae_network import check_fingerprints

FILES = sorted(name for name in goldens.index()["files"] if name.startswith("gmrw_net_"))
RANGES: dict[str, Any] = {"r1": "correct", "r255": "official"}
CASES = [(file, run) for file in FILES for run in RANGES]
EVERY_FOURTH = re.compile(r"channels 0,4,8")


@cache
def model(file: str) -> GMRW:
    constructor = goldens.entry(file)["constructor"]
    config = NetworkConfig(
        feature_channels=constructor["feature_channels"],
        layers=constructor["num_transformer_layers"],
        ffn_expansion=constructor["ffn_dim_expansion"],
        splits=constructor["attn_splits"],
    )
    network = GMRW(config).eval()
    goldens.fill_by_rule(network, file)
    return network


class Run(NamedTuple):
    """What the network makes of two frames: [2, C, h, w] each."""

    backbone: Tensor
    matched: Tensor


@cache
def run_of(file: str, run: str) -> Run:
    images = [prepare(torch.from_numpy(frame), 1, RANGES[run]) for frame in goldens.arrays(file)["frames_u8"]]
    with torch.no_grad():
        backbone = torch.cat([model(file).backbone_features(image) for image in images])
        return Run(backbone, torch.cat(model(file).match(backbone[:1], backbone[1:])))


def tolerance(file: str, name: str) -> float:
    return float(goldens.entry(file)["tolerance"][name].split("atol ")[1].split()[0])


def close(file: str, name: str, ours: Tensor, kind: str) -> None:
    """Compare with the golden of that name, where the file has it, at the tolerance of that kind."""
    official = goldens.arrays(file)[name]
    if EVERY_FOURTH.search(goldens.entry(file)["arrays"][name]["what"]):
        ours = ours[..., ::4, :, :]
    np.testing.assert_allclose(ours.numpy(), official, atol=tolerance(file, kind), rtol=0, err_msg=name)


@pytest.mark.parametrize(("file", "run"), CASES)
def test_features(file: str, run: str) -> None:
    backbone, matched = run_of(file, run)
    stored = goldens.arrays(file)
    if f"{run}.backbone" in stored:
        close(file, f"{run}.backbone", backbone, "backbone")
    if f"{run}.with_position" in stored:
        _, channels, height, width = backbone.shape
        close(file, f"{run}.with_position", backbone + window_positions(height, width, channels, 2), "backbone")
    close(file, f"{run}.feature1", matched[0], "feature")
    close(file, f"{run}.feature2", matched[1], "feature")


@pytest.mark.parametrize(("file", "run"), CASES)
def test_transition_matrix(file: str, run: str) -> None:
    stored, (_, matched) = goldens.arrays(file), run_of(file, run)
    rows, tau = stored["rows"], model(file).config.temperature
    there, back = transition(matched[:1], matched[1:], tau)[0], transition(matched[1:], matched[:1], tau)[0]
    close(file, f"{run}.A12_rows", there[rows], "A_rows")
    if f"{run}.A21_rows" in stored:
        close(file, f"{run}.A21_rows", back[rows[::8]], "A_rows")
    sure = certain(file, run)
    np.testing.assert_array_equal(there.argmax(dim=1).numpy()[sure], stored[f"{run}.A12_argmax"][sure])


def certain(file: str, run: str) -> np.ndarray:
    """Cells whose two best matches differ by more than INDEX.json asks for."""
    margin = float(goldens.entry(file)["tolerance"]["argmax"].split("> ")[1])
    sure = goldens.arrays(file)[f"{run}.A12_margin"] > margin
    assert sure.mean() > 0.9
    return sure


def test_flow_in_cells() -> None:
    compared = 0
    for file, run in CASES:
        if f"{run}.flow_cells" in goldens.arrays(file):
            matched = run_of(file, run).matched
            positions = expected_positions(matched[:1], matched[1:], model(file).config.temperature, Readout())[0]
            height, width = positions.shape[:2]
            flow = positions - pixels(height, width).view(height, width, 2)
            close(file, f"{run}.flow_cells", flow.permute(2, 0, 1), "flow")
            compared += 1
    assert compared


def pixel_flow(file: str, run: str, *, back: bool = False, upsample: Any = 1, **settings: Any) -> Tensor:
    """Our flow [2, H, W] at every pixel, from frames to pixels as the tracker makes it."""
    frames = goldens.arrays(file)["frames_u8"]
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
def test_flow_at_pixels(file: str, run: str, by: str) -> None:
    for name, back in (("flow12", False), ("flow21", True)):
        close(file, f"{run}.{name}", pixel_flow(file, run, back=back, by=by, chunk_bytes=100_000), "flow")


def test_flow_of_enlarged_frames() -> None:
    (file,) = (file for file in FILES if "r255.flow12_up2" in goldens.arrays(file))
    close(file, "r255.flow12_up2", pixel_flow(file, "r255", upsample=2), "flow")


@pytest.mark.parametrize("file", FILES)
@pytest.mark.parametrize(
    ("name", "settings"),
    [
        ("flow12_argmax", {"method": "argmax"}),
        ("flow12_weighted_argmax5", {"method": "weighted_argmax", "radius": 5}),
    ],
)
def test_flow_by_the_best_match(file: str, name: str, settings: dict[str, Any]) -> None:
    ours = pixel_flow(file, "r1", **settings)
    height, width = ours.shape[1:]
    backbone = run_of(file, "r1").backbone
    lattice = Lattice((height, width), (backbone.shape[2], backbone.shape[3]), 1, "official", "index")
    cells, shares = lattice.taps(pixels(height, width))
    unsure = torch.from_numpy(~certain(file, "r1"))[cells] & (shares > 0)
    sure = ~unsure.any(dim=0).view(height, width).numpy()
    official = goldens.arrays(file)[f"r1.{name}"]
    np.testing.assert_allclose(ours.numpy()[:, sure], official[:, sure], atol=tolerance(file, "flow"), rtol=0)


def test_names_shapes_and_values_match_the_fingerprints() -> None:
    check_fingerprints(FILES[0], model(FILES[0]))
