"""The network against outputs of the official code, stage by stage."""

from __future__ import annotations

from functools import cache
from typing import Any

import numpy as np
import pytest
import torch
from torch import Tensor

from tests.golden import goldens
from tests.golden.goldens import Golden
from vgmae_bench.videogmae.network import NetworkConfig, VideoGMAE

FILES = goldens.each("vg_net_*.npz")


def network_config(constructor: dict[str, Any]) -> NetworkConfig:
    """Our configuration for the official constructor arguments that INDEX.json records."""
    ours = {"img_size": "image_size", "num_gaussian": "num_gaussians", "number_of_frames": "num_frames"}
    known = NetworkConfig.__dataclass_fields__
    values = {ours.get(name, name): value for name, value in constructor.items() if ours.get(name, name) in known}
    return NetworkConfig(**values, position="interpolate" if "interpolate" in constructor["training_type"] else "pos3d")


@cache
def model(file: Golden) -> VideoGMAE:
    network = VideoGMAE(network_config(file.constructor)).eval()
    file.fill_by_rule(network)
    return network


def close(file: Golden, name: str, ours: Tensor) -> None:
    """Compare with the array of that name, where the file has it."""
    if name in file:
        file.close(name, ours, atol=file.tolerance("atol"), rtol=file.tolerance("rtol"))


@pytest.mark.parametrize(
    ("file", "run"), goldens.each("vg_net_*.npz", cases=lambda file: goldens.prefixes(file, "noise"))
)
def test_every_stage_equals_the_official_code(file: Golden, run: str) -> None:
    network, video = model(file), goldens.normalised_video(file["video_u8"])
    order = file.tensor(f"{run}noise").argsort(dim=1)
    seen: list[Tensor] = []
    hooks = [block.register_forward_hook(lambda module, args, output: seen.append(output)) for block in network.blocks]
    try:
        with torch.no_grad():
            encoded = network.encode(video, file.setting(f"{run}noise", "mask_ratio="), order=order)
            gaussians = network.decode(encoded)
    finally:
        for hook in hooks:
            hook.remove()
    file.close(f"{run}ids_keep", encoded.kept)
    if f"{run}ids_restore" in file:
        restore = file[f"{run}ids_restore"]
        places = np.take_along_axis(restore, encoded.kept.numpy(), axis=1)
        np.testing.assert_array_equal(places, np.broadcast_to(np.arange(places.shape[1]), places.shape))
        np.testing.assert_array_equal(restore >= places.shape[1], encoded.mask.numpy())  # hidden tokens come last
        np.testing.assert_array_equal(restore, order.argsort(dim=1).numpy())  # the whole order, hidden tokens too
        file.counted(f"{run}ids_restore")
    file.close(f"{run}mask", encoded.mask)
    for depth, output in enumerate(seen):
        close(file, f"{run}block{depth}", output[:, -encoded.kept.shape[1] :])
    close(file, f"{run}latent", encoded.latent)
    file.close(
        f"{run}x_points",
        gaussians.detach().reshape(file[f"{run}x_points"].shape),
        atol=file.tolerance("atol"),
        rtol=file.tolerance("rtol"),
    )


@pytest.mark.parametrize("file", FILES)
def test_raster_order_is_the_default(file: Golden) -> None:
    if "id.noise" not in file:
        pytest.skip(f"{file} has no run in raster order")
    assert (np.diff(file["id.noise"]) > 0).all()  # the run "id" is the one in raster order
    with torch.no_grad():
        ours = model(file)(goldens.normalised_video(file["video_u8"]))
    close(file, "id.x_points", ours.reshape(file["id.x_points"].shape))


@pytest.mark.parametrize(
    ("file", "table"),
    goldens.each("vg_net_*.npz", cases=lambda file: [name for name in file.stored if name.startswith("table.")]),
)
def test_tables_equal_the_official_ones(file: Golden, table: str) -> None:
    name = table.removeprefix("table.")
    assert name in file.entry["fixed_tables"]
    file.close(table, model(file).state_dict()[name], atol=1e-6)


@pytest.mark.parametrize("file", FILES)
def test_names_shapes_and_values_match_the_fingerprints(file: Golden) -> None:
    file.check_fingerprints(model(file))
