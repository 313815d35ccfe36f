"""Projection as in gsplat 1.5.3, compositing as in the float64 reference, on every back end that runs here."""

import numpy as np
import pytest
import torch

from tests.golden import goldens
from vgmae_bench.splatting import Projection, composite, project, status, weights_at

PRIMITIVES = "vg_project_composite.npz"
RENDERS = [file for file in goldens.index()["files"] if file.startswith("vg_render")]
BACKENDS = [
    "torch",
    pytest.param("native", marks=pytest.mark.skipif(not status()["native"].usable, reason=status()["native"].detail)),
]


def tensors(file):
    return {name: torch.from_numpy(array) for name, array in goldens.arrays(file).items()}


def bound(text, kind):
    """The number after `kind` ("atol" or "rtol") in a tolerance as INDEX.json words it."""
    words = text.split()
    return float(words[words.index(kind) + 1]) if kind in words else 0.0


def check_images(rendered, golden, tolerance):
    clear = golden["ambiguous"] == 0
    assert clear.float().mean() > 0.5
    for ours, theirs in ((rendered.features, golden["C"]), (rendered.alpha, golden["A"][..., 0])):
        error = (ours - theirs).abs()
        assert float(error[clear].max()) <= tolerance
        assert float(error.max()) <= 6e-3


def test_projection():
    golden, described = tensors(PRIMITIVES), goldens.entry(PRIMITIVES)
    width, height = golden["size"].tolist()
    constants, tolerance = described["constants"], described["tolerance"]
    cloud = (golden["means"], golden["quats"], golden["scales"], golden["viewmats"], golden["Ks"])
    limits = {name: float(constants[name]) for name in ("eps2d", "near", "far")}
    ours = project(*cloud, height, width, **limits)
    visible = (golden["radii"] > 0).all(-1)
    assert int((~visible).sum()) == described["culled"]
    assert torch.equal(ours.visible, visible)
    off = (ours.radii != golden["radii"]) & visible[..., None]
    covariance = torch.linalg.inv(ours.conics[..., [0, 1, 1, 2]].unflatten(-1, (2, 2)).double())
    extent = 3.33 * covariance.diagonal(dim1=-2, dim2=-1).sqrt()
    assert ((extent - extent.round()).abs()[off] < 1e-3).all()
    pixels, relative = (float(part.split()[1]) for part in tolerance["projection"].split("where")[0].split("/"))
    assert float((ours.means2d - golden["means2d"])[visible].abs().max()) <= pixels
    assert torch.allclose(ours.conics[visible], golden["conics"][visible], rtol=relative, atol=1e-6)
    assert torch.allclose(ours.conics[visible], golden["conics_f64"][visible], rtol=relative, atol=1e-6)
    assert torch.allclose(ours.depths, golden["depths"], atol=1e-5)


@pytest.mark.parametrize("backend", BACKENDS)
def test_compositing(backend):
    golden, described = tensors(PRIMITIVES), goldens.entry(PRIMITIVES)
    width, height = golden["size"].tolist()
    cloud = (golden["means"], golden["quats"], golden["scales"], golden["viewmats"], golden["Ks"])
    max_alpha = described["constants"]["max_alpha"]
    rendered = composite(
        project(*cloud, height, width),
        golden["opacities"],
        golden["colors"],
        height,
        width,
        max_alpha=max_alpha,
        backend=backend,
    )
    check_images(rendered, golden, bound(described["tolerance"]["C"], "atol"))


def test_weights():
    golden, described = tensors(PRIMITIVES), goldens.entry(PRIMITIVES)
    width, height = golden["size"].tolist()
    projection = project(
        golden["means"], golden["quats"], golden["scales"], golden["viewmats"][0], golden["Ks"][0], height, width
    )
    rows, columns = np.mgrid[:height, :width]
    centres = torch.from_numpy(np.stack([columns, rows], axis=-1).reshape(-1, 2) + 0.5).float()
    weights = weights_at(projection, golden["opacities"], centres, described["constants"]["max_alpha"])
    error = (weights.unflatten(0, (height, width)) - golden["weights0"]).abs()
    assert float(error[golden["ambiguous"][0] == 0].max()) <= bound(described["tolerance"]["C"], "atol")


@pytest.mark.parametrize("file", RENDERS)
@pytest.mark.parametrize("backend", BACKENDS)
def test_compositing_of_video_gmae_scenes(file, backend):
    golden = tensors(file)
    height, width = golden["C"].shape[-3:-1]
    projection = Projection(golden["means2d"], golden["conics"], golden["depths"], golden["radii"])
    rendered = composite(projection, golden["opacities"], golden["colors"], height, width, backend=backend)
    check_images(rendered, golden, bound(goldens.entry(file)["tolerance"]["image"], "atol"))
