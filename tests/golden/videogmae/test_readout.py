"""The fine-tuned tracker's readout against outputs of the official code."""

from __future__ import annotations

from dataclasses import replace
from functools import cache

import pytest
import torch

from tests.golden import goldens
from tests.golden.goldens import Golden
from tests.golden.videogmae.test_network import network_config
from vgmae_bench.models.readout import OFFICIAL, fourier_encode
from vgmae_bench.videogmae.readout import ReadoutTracker

FILES = goldens.each("vg_readout_*.npz")
RUNS = goldens.each("vg_readout_*.npz", cases=lambda file: goldens.prefixes(file, "noise"))


@cache
def model(file: Golden) -> ReadoutTracker:
    made = file.constructor
    readout = replace(OFFICIAL, heads=made["readout_heads"], fourier_features=made["num_fourier_features"])
    tracker = ReadoutTracker(network_config(made), readout).eval()
    file.fill_by_rule(tracker)
    return tracker


@pytest.mark.parametrize("file", FILES)
def test_fourier_features_equal_the_official_ones(file: Golden) -> None:
    ours = fourier_encode(file.tensor("queries"), model(file).readout.config.fourier_features)
    file.close("fourier", ours, atol=file.tolerance("fourier"))


@pytest.mark.parametrize(("file", "run"), RUNS)
def test_answers_equal_the_official_code(file: Golden, run: str) -> None:
    video, queries = goldens.normalised_video(file["video_u8"]), file.tensor("queries")
    order = file.tensor(f"{run}noise").argsort(dim=1)
    with torch.no_grad():
        encoded = model(file).encode(video, order=order)
        positions, occlusion = model(file)(video, queries, order)
    file.close(f"{run}ids_keep", encoded.kept)
    file.close(f"{run}latent", encoded.latent, atol=file.tolerance("latent"))
    file.close(f"{run}positions", positions, atol=file.tolerance("positions"))
    # The official name is "visibility"; it is trained as, and is here called, the probability of being occluded.
    file.close(f"{run}visibility", occlusion, atol=file.tolerance("visibility"))


@pytest.mark.parametrize("file", FILES)
def test_raster_order_is_the_default(file: Golden) -> None:
    if "id.positions" not in file:
        pytest.skip(f"{file} has no run in raster order")
    with torch.no_grad():
        positions, _ = model(file)(goldens.normalised_video(file["video_u8"]), file.tensor("queries"))
    file.close("id.positions", positions, atol=file.tolerance("positions"))


@pytest.mark.parametrize("file", FILES)
def test_names_shapes_and_values_match_the_fingerprints(file: Golden) -> None:
    file.check_fingerprints(model(file))
