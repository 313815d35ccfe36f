"""The fine-tuned tracker's readout against outputs of the official code."""

from __future__ import annotations

import re
from dataclasses import replace

import numpy as np
import pytest
import torch

from tests.golden import goldens
from tests.golden.test_videogmae_network import check_fingerprints, network_config, runs
from vgmae_bench.models.readout import OFFICIAL, fourier_encode
from vgmae_bench.videogmae.readout import ReadoutTracker

FILES = sorted(name for name in goldens.index()["files"] if name.startswith("vg_readout_"))
Case = tuple[str, dict[str, np.ndarray], ReadoutTracker]


@pytest.fixture(scope="module", params=FILES)
def case(request: pytest.FixtureRequest) -> Case:
    file = request.param
    constructor = goldens.entry(file)["constructor"]
    readout = replace(
        OFFICIAL, heads=constructor["readout_heads"], fourier_features=constructor["num_fourier_features"]
    )
    model = ReadoutTracker(network_config(constructor), readout).eval()
    goldens.fill_by_rule(model, file)
    return file, goldens.arrays(file), model


def atol(file: str, name: str) -> float:
    """The number in a tolerance such as "bands 0..15 atol 2e-3; ..."."""
    return float(re.search(r"atol ([\d.e-]+)", goldens.entry(file)["tolerance"][name])[1])  # type: ignore[index]  # must be there


def test_fourier_features_equal_the_official_ones(case: Case) -> None:
    file, arrays, model = case
    features = model.readout.config.fourier_features
    ours = fourier_encode(torch.from_numpy(arrays["queries"]), features).numpy()
    np.testing.assert_allclose(ours, arrays["fourier"], atol=atol(file, "fourier"), rtol=0)


def test_answers_equal_the_official_code(case: Case) -> None:
    file, arrays, model = case
    video, queries = goldens.normalised_video(arrays["video_u8"]), torch.from_numpy(arrays["queries"])
    assert runs(arrays)
    for run in runs(arrays):
        order = torch.from_numpy(arrays[f"{run}.noise"]).argsort(dim=1)
        with torch.no_grad():
            latent = model.encode(video, order=order).latent
            positions, occlusion = model(video, queries, order)
        np.testing.assert_allclose(latent.numpy(), arrays[f"{run}.latent"], atol=atol(file, "latent"), rtol=0)
        np.testing.assert_allclose(positions.numpy(), arrays[f"{run}.positions"], atol=atol(file, "positions"), rtol=0)
        # The official name is "visibility"; it is trained as, and is here called, the probability of being occluded.
        np.testing.assert_allclose(
            occlusion.numpy(), arrays[f"{run}.visibility"], atol=atol(file, "visibility"), rtol=0
        )


def test_raster_order_is_the_default(case: Case) -> None:
    file, arrays, model = case
    with torch.no_grad():
        positions, _ = model(goldens.normalised_video(arrays["video_u8"]), torch.from_numpy(arrays["queries"]))
    np.testing.assert_allclose(positions.numpy(), arrays["id.positions"], atol=atol(file, "positions"), rtol=0)


def test_names_shapes_and_values_match_the_fingerprints(case: Case) -> None:
    check_fingerprints(case[0], case[2])
