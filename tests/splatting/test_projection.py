"""Projection: closed forms, culling, gradients that stay finite. Parity with gsplat is in tests/golden."""

import pytest
import torch

from tests.splatting import scenes
from vgmae_bench.splatting import project

IDENTITY = torch.eye(4)
K = torch.tensor([[50.0, 0, 30], [0, 60.0, 20], [0, 0, 1]])
QUAT = torch.tensor([[1.0, 0, 0, 0]])


def test_a_ball_on_the_axis_is_a_disc():
    projection = project(
        torch.tensor([[0.0, 0, 5]]), QUAT, torch.full((1, 3), 0.5), IDENTITY, K, 40, 60, eps2d=0.3, near=0.01
    )
    assert torch.allclose(projection.means2d, torch.tensor([[30.0, 20.0]]))
    variances = torch.tensor([(50 * 0.5 / 5) ** 2 + 0.3, (60 * 0.5 / 5) ** 2 + 0.3])
    assert torch.allclose(projection.conics, torch.tensor([[1 / variances[0], 0, 1 / variances[1]]]))
    assert projection.radii.tolist() == [(3.33 * variances.sqrt()).ceil().int().tolist()]
    assert projection.depths.tolist() == [5.0]


@pytest.mark.parametrize(
    ("mean", "why"),
    [
        ((0.0, 0.0, -5.0), "behind the camera"),
        ((0.0, 0.0, 0.0), "in the camera"),
        ((0.0, 0.0, 0.005), "nearer than near"),
        ((0.0, 0.0, 200.0), "beyond far"),
        ((30.0, 0.0, 5.0), "right of the image"),
        ((0.0, -30.0, 5.0), "above the image"),
        ((float("nan"), 0.0, 5.0), "nowhere"),
    ],
)
def test_invisible_gaussians_are_culled(mean, why):
    projection = project(torch.tensor([mean]), QUAT, torch.full((1, 3), 0.1), IDENTITY, K, 40, 60, far=100.0)
    assert not projection.visible.any(), why
    assert projection.radii.tolist() == [[0, 0]]


@pytest.mark.parametrize("z", [-1.0, 0.0, 1e-30, 0.01])
def test_gradients_are_finite_wherever_a_gaussian_lies(z):
    means = torch.tensor([[0.3, 0.2, z], [0.0, 0.0, z], [0.1, 0.0, 3.0]], requires_grad=True)
    quats = torch.tensor([[0.0, 0, 0, 0], [1, 0, 0, 0], [1, 1, 0, 0]], requires_grad=True)
    scales = torch.tensor([[0.0, 0, 0], [1, 1, 1], [0.1, 0.2, 0.3]], requires_grad=True)
    projection = project(means, quats, scales, IDENTITY, K, 40, 60)
    visible = projection.visible[..., None]
    loss = torch.where(visible, projection.means2d, 0.0).sum() + torch.where(visible, projection.conics, 0.0).sum()
    for gradient in torch.autograd.grad(loss, [means, quats, scales]):
        assert torch.isfinite(gradient).all()


def test_gradients_match_finite_differences():
    scene = scenes.make(count=6, channels=1, width=40, height=30, dtype=torch.float64)
    cloud = [array.requires_grad_() for array in (scene.means, scene.quats, scene.scales, scene.viewmat, scene.K)]
    assert torch.autograd.gradcheck(lambda *arrays: project(*arrays, 30, 40)[:3], cloud)


def test_leading_dimensions_broadcast():
    scene = scenes.make(2, 3, count=7, channels=1, width=40, height=30)
    shared = project(scene.means, scene.quats[:, :1], scene.scales[:1, :1], scene.viewmat, scene.K, 30, 40)
    full = project(
        scene.means,
        scene.quats[:, :1].expand(2, 3, 7, 4),
        scene.scales[:1, :1].expand(2, 3, 7, 3),
        scene.viewmat.expand(2, 3, 4, 4),
        scene.K.expand(2, 3, 3, 3),
        30,
        40,
    )
    for a, b in zip(shared, full, strict=True):
        assert a.shape == b.shape
        assert torch.allclose(a.double(), b.double(), rtol=1e-5)
    cameras = project(
        scene.means[0, 0], scene.quats[0, 0], scene.scales[0, 0], scene.viewmat.expand(4, 4, 4), scene.K, 30, 40
    )
    assert cameras.radii.shape == (4, 7, 2)
    assert cameras.depths.shape == (4, 7)


def test_thin_gaussians_keep_a_positive_definite_conic():
    scales = torch.tensor([[40.0, 1e-4, 1e-4]])
    quat = torch.tensor([[0.9239, 0.0, 0.0, 0.3827]])  # 45 degrees in the image
    args = (torch.tensor([[0.0, 0, 5]]), quat, scales, IDENTITY, K)
    a, b, c = project(*args, 40, 60).conics[0].double()
    exact = project(*(array.double() for array in args), 40, 60).conics[0]
    assert a * c > b * b
    assert torch.allclose(torch.stack([a, b, c]), exact, rtol=1e-4)
