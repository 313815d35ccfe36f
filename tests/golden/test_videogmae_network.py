"""The network against outputs of the official code, stage by stage."""

from __future__ import annotations

import json
import re
from typing import Any

import numpy as np
import pytest
import torch
from torch import Tensor

from tests.golden import goldens
from vgmae_bench.videogmae.network import NetworkConfig, VideoGMAE

FILES = sorted(name for name in goldens.index()["files"] if name.startswith("vg_net_"))


def network_config(constructor: dict[str, Any]) -> NetworkConfig:
    """Our configuration for the official constructor arguments that INDEX.json records."""
    ours = {"img_size": "image_size", "num_gaussian": "num_gaussians", "number_of_frames": "num_frames"}
    known = NetworkConfig.__dataclass_fields__
    values = {ours.get(name, name): value for name, value in constructor.items() if ours.get(name, name) in known}
    return NetworkConfig(**values, position="interpolate" if "interpolate" in constructor["training_type"] else "pos3d")


@pytest.fixture(scope="module", params=FILES)
def case(request: pytest.FixtureRequest) -> tuple[str, dict[str, np.ndarray], VideoGMAE]:
    file = request.param
    model = VideoGMAE(network_config(goldens.entry(file)["constructor"])).eval()
    goldens.fill_by_rule(model, file)
    return file, goldens.arrays(file), model


def runs(arrays: dict[str, np.ndarray]) -> list[str]:
    return sorted(name.removesuffix(".noise") for name in arrays if name.endswith(".noise"))


def close(file: str, ours: Tensor, official: np.ndarray) -> None:
    tolerance = goldens.entry(file)["tolerance"]
    np.testing.assert_allclose(
        ours.detach().numpy(), official.reshape(ours.shape), atol=tolerance["atol"], rtol=tolerance["rtol"]
    )


def test_every_stage_equals_the_official_code(case: tuple[str, dict[str, np.ndarray], VideoGMAE]) -> None:
    file, arrays, model = case
    video = goldens.normalised_video(arrays["video_u8"])
    seen: list[Tensor] = []
    for block in model.blocks:
        block.register_forward_hook(lambda module, args, output: seen.append(output))
    assert runs(arrays)
    for run in runs(arrays):
        order = torch.from_numpy(arrays[f"{run}.noise"]).argsort(dim=1)
        described = goldens.entry(file)["arrays"][f"{run}.noise"]["what"]
        ratio = float(re.search(r"mask_ratio=([\d.]+)", described)[1])  # type: ignore[index]  # a missing ratio must fail
        seen.clear()
        with torch.no_grad():
            encoded = model.encode(video, ratio, order=order)
            gaussians = model.decode(encoded)
        np.testing.assert_array_equal(encoded.kept.numpy(), arrays[f"{run}.ids_keep"])
        np.testing.assert_array_equal(encoded.mask.numpy(), arrays[f"{run}.mask"])
        for depth, output in enumerate(seen):
            close(file, output[:, -encoded.kept.shape[1] :], arrays[f"{run}.block{depth}"])
        close(file, encoded.latent, arrays[f"{run}.latent"])
        close(file, gaussians, arrays[f"{run}.x_points"])


def test_raster_order_is_the_default(case: tuple[str, dict[str, np.ndarray], VideoGMAE]) -> None:
    file, arrays, model = case
    assert (np.diff(arrays["id.noise"]) > 0).all()  # the run "id" is the one in raster order
    with torch.no_grad():
        close(file, model(goldens.normalised_video(arrays["video_u8"])), arrays["id.x_points"])


def test_tables_equal_the_official_ones(case: tuple[str, dict[str, np.ndarray], VideoGMAE]) -> None:
    file, arrays, model = case
    tables = {name.removeprefix("table."): value for name, value in arrays.items() if name.startswith("table.")}
    assert set(tables) == set(goldens.entry(file)["fixed_tables"])
    for name, official in tables.items():
        np.testing.assert_allclose(model.state_dict()[name].numpy(), official, atol=1e-6, rtol=0)


def test_names_shapes_and_values_match_the_fingerprints(case: tuple[str, dict[str, np.ndarray], VideoGMAE]) -> None:
    file, _, model = case
    check_fingerprints(file, model)


def check_fingerprints(file: str, model: torch.nn.Module) -> None:
    fingerprints = json.loads((goldens.FOLDER / "FINGERPRINTS.json").read_text())[file]
    state = model.state_dict()
    assert set(state) == set(fingerprints)
    for name, fingerprint in fingerprints.items():
        value = state[name].numpy().astype(np.float64)
        assert list(value.shape) == fingerprint["shape"], name
        np.testing.assert_allclose(value.ravel()[: len(fingerprint["first3"])], fingerprint["first3"], atol=1e-6)
        sums = [fingerprint["sum"], fingerprint["abs_sum"]]
        np.testing.assert_allclose([value.sum(), np.abs(value).sum()], sums, rtol=1e-6, atol=1e-4)
