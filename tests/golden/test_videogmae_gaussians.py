"""Activations, rendering, loss and gradients equal those of the official code on its own network outputs."""

from __future__ import annotations

import re

import numpy as np
import pytest
import torch
from torch import Tensor

from tests.golden import goldens
from vgmae_bench.models.losses import reconstruction_loss
from vgmae_bench.videogmae.gaussians.gaussians import (
    Activation,
    Backend,
    Gaussians,
    activate,
    fixed_camera,
    render_video,
)

NETWORK = "vg_net_interp.npz"


def _x_points(file: str, name: str, frames: int) -> Tensor:
    """Network outputs [B, T·G, 14] of a file as [B, T, G, 14]."""
    return torch.from_numpy(goldens.arrays(file)[name]).unflatten(1, (frames, -1))


def _setting(array: str, name: str) -> float:
    """The value of `name=…` in INDEX.json's description of one of the network's arrays."""
    described = goldens.entry(NETWORK)["arrays"][array]["what"]
    found = re.search(rf"{name}=([\d.]+)", described)
    assert found, described
    return float(found[1])


def _activated(activation: Activation) -> Gaussians:
    return activate(
        _x_points(NETWORK, "m0.x_points", goldens.entry(NETWORK)["constructor"]["number_of_frames"]), activation
    )


def _assert_close(actual: Tensor, array: str) -> None:
    tolerance = goldens.entry(NETWORK)["tolerance"]
    expected = goldens.arrays(NETWORK)[array]
    np.testing.assert_allclose(actual.numpy(), expected, rtol=tolerance["rtol"], atol=tolerance["atol"])


@pytest.mark.parametrize("attribute", Gaussians._fields)
def test_activations(attribute: str) -> None:
    _assert_close(getattr(_activated(Activation()), attribute), f"gauss.{attribute}")


def test_colours_as_residuals_of_frame_0() -> None:
    _assert_close(_activated(Activation(rgb_mode="frame0_logit")).colors, "gauss.colors_rgbdelta_1")
    scale = _setting("gauss.colors_rgbdelta_half", "rgb_deltas_scale")
    scaled = Activation(rgb_mode="frame0_scaled", rgb_scale=scale)
    _assert_close(_activated(scaled).colors, "gauss.colors_rgbdelta_half")


def test_scale_factor() -> None:
    factor = _setting("gauss.scales_sf0p4", "scale_factor")
    _assert_close(_activated(Activation(scale_factor=factor)).scales, "gauss.scales_sf0p4")


@pytest.mark.parametrize("backend", ["auto", "torch"])
@pytest.mark.parametrize("file", ["vg_render_a.npz", "vg_render_b.npz"])
def test_image_loss_and_gradient(file: str, backend: Backend) -> None:
    data, described = goldens.arrays(file), goldens.entry(file)["constructor"]
    x = _x_points(file, "x_points", described["number_of_frames"]).requires_grad_()
    gaussians = activate(x, Activation(scale_factor=described["scale_factor"], mean_deltas=described["mean_deltas"]))
    image = render_video(
        gaussians, fixed_camera(described["img_size"], described["img_size"], like=x), "official", backend
    )
    loss = reconstruction_loss(image, torch.from_numpy(data["video_u8"]) / 255, "sum")
    loss.backward()

    outside, inside = (float(number) for number in re.findall(r"[\d.]+e-\d+", _tolerance(file, "image")))
    limit = np.where(data["ambiguous"].astype(bool), inside, outside)
    assert (np.abs(image.detach().numpy() - data["image"]).max(axis=-1) <= limit).all()
    np.testing.assert_allclose(loss.item(), data["loss"].item(), rtol=float(_tolerance(file, "loss").split()[1]))
    assert x.grad is not None
    gradient, expected = x.grad.flatten(1, 2).numpy(), data["grad_x_points"]
    rtol, atol, relative = (float(number) for number in re.findall(r"\d+e-\d+", _tolerance(file, "grad_x_points")))
    np.testing.assert_allclose(gradient, expected, rtol=rtol, atol=atol)
    assert np.linalg.norm(gradient - expected) < relative * np.linalg.norm(expected)


def _tolerance(file: str, name: str) -> str:
    text: str = goldens.entry(file)["tolerance"][name]
    return text
