"""Projection as in gsplat 1.5.3, compositing as in the float64 reference, on every back end that runs here."""

from __future__ import annotations

import numpy as np
import pytest
import torch
from torch import Tensor

from tests.golden import goldens
from tests.golden.goldens import Golden
from tests.shared.compiler import needs_compiler
from vgmae_bench.splatting import Projection, Rendered, composite, project, weights_at

PRIMITIVES = goldens.each("vg_project_composite*.npz")
RENDERS = goldens.each("vg_render*.npz")
BACKENDS = ["torch", pytest.param("native", marks=needs_compiler)]
AT_THRESHOLDS = 6e-3
"""Of an image, where a weight is on the edge of being left out: one step of 1/255 and its shadow."""


def check_images(file: Golden, rendered: Rendered, tolerance: float) -> None:
    """Where a discrete decision is on the edge, images may differ by what the decision is worth, and nowhere else."""
    ambiguous = file["ambiguous"].astype(bool)
    assert ambiguous.mean() < 0.5
    for name, ours in (("C", rendered.features), ("A", rendered.alpha[..., None])):
        clear = np.broadcast_to(~ambiguous[..., None], ours.shape)
        file.close(name, ours, atol=tolerance, where=clear)
        file.close(name, ours, atol=max(tolerance, AT_THRESHOLDS))


def cloud(file: Golden) -> tuple[Tensor, ...]:
    return tuple(file.tensor(name) for name in ("means", "quats", "scales", "viewmats", "Ks"))


def frame_size(file: Golden) -> tuple[int, int]:
    """Height and width."""
    width, height = file["size"].tolist()
    return height, width


@pytest.mark.parametrize("file", PRIMITIVES)
def test_projection(file: Golden) -> None:
    constants = file.entry["constants"]
    limits = {name: float(constants[name]) for name in ("eps2d", "near", "far")}
    ours = project(*cloud(file), *frame_size(file), **limits)
    radii = file.tensor("radii")
    visible = (radii > 0).all(-1)
    assert int((~visible).sum()) == file.entry["culled"]
    assert torch.equal(ours.visible, visible)
    covariance = torch.linalg.inv(ours.conics[..., [0, 1, 1, 2]].unflatten(-1, (2, 2)).double())
    extent = 3.33 * covariance.diagonal(dim1=-2, dim2=-1).sqrt()
    sure = (extent - extent.round()).abs() >= file.tolerance("radii", "|<")
    file.close("radii", ours.radii, where=sure & visible[..., None])
    pixels, relative = file.tolerance("projection"), file.tolerance("projection", "rtol ")
    file.close("means2d", ours.means2d, atol=pixels, where=visible[..., None].expand_as(ours.means2d))
    for name in ("conics", "conics_f64"):
        file.close(name, ours.conics, atol=1e-6, rtol=relative, where=visible[..., None].expand_as(ours.conics))
    file.close("depths", ours.depths, atol=1e-5)


@pytest.mark.parametrize("file", PRIMITIVES)
def test_covariances(file: Golden) -> None:
    """Seen from along each axis through a pinhole of focal length 1 far away, they are those in the image."""
    means, quats, scales, _, _ = cloud(file)
    far = 1000.0
    seen = torch.zeros(len(means), 3, 3)
    for a, b, axis in ((0, 1, 2), (1, 2, 0), (2, 0, 1)):
        view = torch.zeros(4, 4)
        view[0, a] = view[1, b] = view[2, axis] = view[3, 3] = 1
        view[2, 3] = far
        camera = torch.tensor([[far, 0, 0.0], [0, far, 0], [0, 0, 1]])
        flat = project(torch.zeros_like(means), quats, scales, view, camera, 100, 100, eps2d=0.0)
        block = torch.linalg.inv(flat.conics[..., [0, 1, 1, 2]].unflatten(-1, (2, 2)).double()).float()
        seen[:, a, a], seen[:, b, b] = block[:, 0, 0], block[:, 1, 1]
        seen[:, a, b] = seen[:, b, a] = block[:, 0, 1]
    largest = float(np.abs(file["covars"]).max())
    file.close("covars", seen, atol=1e-3 * largest)


@pytest.mark.parametrize("file", PRIMITIVES)
@pytest.mark.parametrize("backend", BACKENDS)
def test_compositing(file: Golden, backend: str) -> None:
    size = frame_size(file)
    max_alpha = file.entry["constants"]["max_alpha"]
    projection = project(*cloud(file), *size)
    rendered = composite(
        projection, file.tensor("opacities"), file.tensor("colors"), *size, max_alpha=max_alpha, backend=backend
    )
    check_images(file, rendered, min(file.tolerance("C"), file.tolerance("A")))


@pytest.mark.parametrize("file", PRIMITIVES)
def test_weights(file: Golden) -> None:
    height, width = frame_size(file)
    means, quats, scales, views, cameras = cloud(file)
    projection = project(means, quats, scales, views[0], cameras[0], height, width)
    rows, columns = np.mgrid[:height, :width]
    centres = torch.from_numpy(np.stack([columns, rows], axis=-1).reshape(-1, 2) + 0.5).float()
    weights = weights_at(projection, file.tensor("opacities"), centres, file.entry["constants"]["max_alpha"])
    clear = np.broadcast_to(file["ambiguous"][0][..., None] == 0, file["weights0"].shape)
    file.close("weights0", weights.unflatten(0, (height, width)), atol=file.tolerance("C"), where=clear)


@pytest.mark.parametrize("file", RENDERS)
@pytest.mark.parametrize("backend", BACKENDS)
def test_compositing_of_video_gmae_scenes(file: Golden, backend: str) -> None:
    height, width = file["C"].shape[-3:-1]
    projection = Projection(*(file.tensor(name) for name in ("means2d", "conics", "depths", "radii")))
    rendered = composite(projection, file.tensor("opacities"), file.tensor("colors"), height, width, backend=backend)
    check_images(file, rendered, file.tolerance("image"))
