"""Activations, rendering, loss and gradients equal those of the official code on its own network outputs."""

from __future__ import annotations

import re

import numpy as np
import pytest
import torch
from torch import Tensor

from tests.golden import goldens
from tests.golden.goldens import Golden
from vgmae_bench.models.losses import reconstruction_loss
from vgmae_bench.splatting import project
from vgmae_bench.videogmae.gaussians.gaussians import (
    Activation,
    Backend,
    Gaussians,
    activate,
    fixed_camera,
    render_video,
)

SOURCE = "m0.x_points"
"""The network's output from which the arrays `gauss.*` are made."""
RENDERS = goldens.each("vg_render*.npz")


def _x_points(file: Golden, name: str) -> Tensor:
    """Network outputs [B, T·G, 14] of a file as [B, T, G, 14]."""
    return file.tensor(name).unflatten(1, (file.constructor["number_of_frames"], -1))


def _gaussian_arrays(file: Golden) -> list[str]:
    return sorted(name for name in file.stored if name.startswith("gauss."))


def _activation(file: Golden, array: str) -> Activation:
    """What the description of an array says of the settings: "rgb_deltas_scale=0.5", "scale_factor=0.4"."""
    told = dict(re.findall(r"(\w+)=([\w.]+)", file.what(array)))
    if told.get("rgb_deltas") == "True":
        scale = float(told["rgb_deltas_scale"])
        if scale == 1:
            return Activation(rgb_mode="frame0_logit")
        return Activation(rgb_mode="frame0_scaled", rgb_scale=scale)
    return Activation(scale_factor=float(told.get("scale_factor", file.constructor["scale_factor"])))


@pytest.mark.parametrize(("file", "array"), goldens.each("vg_net_*.npz", cases=_gaussian_arrays))
def test_activations(file: Golden, array: str) -> None:
    """ "gauss.colors_rgbdelta_1" is the attribute colors, and so on."""
    attribute = array.removeprefix("gauss.").split("_")[0]
    assert attribute in Gaussians._fields
    ours = getattr(activate(_x_points(file, SOURCE), _activation(file, array)), attribute)
    file.close(array, ours, rtol=file.tolerance("rtol"), atol=file.tolerance("atol"))


def _scene(file: Golden, x: Tensor) -> Gaussians:
    made = file.constructor
    return activate(x, Activation(scale_factor=made["scale_factor"], mean_deltas=made["mean_deltas"]))


@pytest.mark.parametrize("file", RENDERS)
def test_projected_scene(file: Golden) -> None:
    size = file.constructor["img_size"]
    gaussians = _scene(file, _x_points(file, "x_points"))
    camera = fixed_camera(size, size, like=gaussians.means)
    file.close("colors", gaussians.colors, atol=1e-5)
    for clip in range(len(gaussians.means)):
        means, quats, scales = (getattr(gaussians, name)[clip] for name in ("means", "quats", "scales"))
        projected = project(means, quats, scales, camera.viewmat, camera.K, size, size)
        radii = file.tensor("radii")[clip]
        visible = (radii > 0).all(dim=-1)
        assert torch.equal(projected.visible, visible)
        _near(file, clip, "means2d", projected.means2d, visible, atol=file.tolerance("means2d"))
        rtol, atol = file.tolerance("conics", "rtol "), file.tolerance("conics")
        _near(file, clip, "conics", projected.conics, visible, atol=atol, rtol=rtol)
        _near(file, clip, "depths", projected.depths, visible, atol=file.tolerance("depths"))
        off = (projected.radii - radii).abs()[visible]
        assert off.max() <= 1 and (off > 0).float().mean() < 0.01  # 3.33 standard deviations on the edge of an integer
        opacities = gaussians.opacities[clip].expand(len(means), -1)
        _near(file, clip, "opacities", opacities, visible, atol=1e-5)
    file.counted("means2d", "conics", "depths", "radii", "opacities")


def _near(file: Golden, clip: int, name: str, ours: Tensor, visible: Tensor, *, atol: float, rtol: float = 0) -> None:
    np.testing.assert_allclose(ours[visible], file[name][clip][visible], atol=atol, rtol=rtol, err_msg=name)


@pytest.mark.parametrize("backend", ["auto", "torch"])
@pytest.mark.parametrize("file", RENDERS)
def test_image_loss_and_gradient(file: Golden, backend: Backend) -> None:
    x = _x_points(file, "x_points").requires_grad_()
    size = file.constructor["img_size"]
    image = render_video(_scene(file, x), fixed_camera(size, size, like=x), "official", backend)
    loss = reconstruction_loss(image, file.tensor("video_u8") / 255, "sum")
    loss.backward()
    ambiguous = np.broadcast_to(file["ambiguous"].astype(bool)[..., None], image.shape)
    file.close("image", image, atol=file.tolerance("image"), where=~ambiguous)
    file.close("image", image, atol=file.tolerance("image", "outside ambiguous, "))
    file.close("loss", loss.detach()[None], rtol=file.tolerance("loss", "rtol "))
    assert x.grad is not None
    check_gradient(file, x.grad.flatten(1, 2).numpy())


def check_gradient(file: Golden, gradient: np.ndarray) -> None:
    """A pixel at a threshold shows or leaves out one Gaussian, and the gradients of what lies there change with it.

    So values may miss their tolerance only of Gaussians that reach a pixel where a decision is on the edge, no more values
    than there are such pixels, and the error of the whole gradient stays within its bound.
    """
    name = "grad_x_points"
    expected = file[name]
    assert gradient.shape == expected.shape
    rtol, atol = file.tolerance(name, "rtol "), file.tolerance(name, "atol ")
    missed = np.abs(gradient - expected) > atol + rtol * np.abs(expected)
    excused = np.broadcast_to(reaching_ambiguous(file)[:, :, None], missed.shape)
    assert not (missed & ~excused).any(), f"{(missed & ~excused).sum()} values away from thresholds"
    assert missed.sum() <= file["ambiguous"].sum(), f"{missed.sum()} values miss their tolerance"
    assert np.linalg.norm(gradient - expected) < file.tolerance(name, "L2 <") * np.linalg.norm(expected)
    file.counted(name)


def reaching_ambiguous(file: Golden) -> np.ndarray:
    """bool [B, T·G]: rows of Gaussians that reach, in any frame, a pixel where a decision is on the edge.

    A row of frame t moves its Gaussian in that frame and all later ones, and row 0 its shape in all.
    """
    frames = file.constructor["number_of_frames"]
    means, conics = file["means2d"].astype(np.float64), file["conics"].astype(np.float64)
    reaches = np.zeros((len(means), frames, means.shape[2]), dtype=bool)
    for clip, frame, row, column in np.argwhere(file["ambiguous"]):
        dx, dy = (np.array([column, row]) + 0.5 - means[clip, frame]).T
        a, b, c = conics[clip, frame].T
        alpha = file["opacities"][clip, frame] * np.exp(-(a * dx**2 + c * dy**2) / 2 - b * dx * dy)
        reaches[clip, frame] |= alpha > 0.99 / 255
    return np.repeat(reaches.any(axis=1, keepdims=True), frames, axis=1).reshape(len(means), -1)
