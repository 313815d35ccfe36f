"""What only the native back end has: the same bits every time, for any number of threads, on any width of vectors."""

import pytest
import torch

from tests.shared.compiler import needs_compiler
from tests.splatting import scenes
from vgmae_bench.splatting import composite, native, project, render

pytestmark = needs_compiler


def forward_and_backward(channels, threads):
    scene = scenes.make(3, count=120, channels=channels, width=70, height=75)
    projection = project(*scene[:3], scene.viewmat, scene.K, 75, 70)
    leaves = [projection.means2d, projection.conics, scene.opacities, scene.features]
    leaves = [leaf.contiguous().requires_grad_() for leaf in leaves]
    before = torch.get_num_threads()
    torch.set_num_threads(threads)
    try:
        out = native.composite(projection._replace(means2d=leaves[0], conics=leaves[1]), *leaves[2:], 75, 70, 0.999)
        return [*out, *torch.autograd.grad(out[0].square().sum() + out[1].sum(), leaves)]
    finally:
        torch.set_num_threads(before)


@pytest.mark.parametrize("channels", [3, 7])
def test_bits_do_not_depend_on_the_run_or_the_threads(channels):
    first = forward_and_backward(channels, threads=1)
    for threads in (1, 2, 3):
        for a, b in zip(first, forward_and_backward(channels, threads), strict=True):
            assert torch.equal(a, b)


def test_inputs_may_be_strided():
    scene = scenes.make(2, count=30, channels=3, width=20, height=20)
    projection = project(*scene[:3], scene.viewmat, scene.K, 20, 20)
    assert not projection.depths.is_contiguous()
    swapped = scene.features.transpose(1, 2).contiguous().transpose(1, 2)
    assert not swapped.is_contiguous()
    a = native.composite(projection, scene.opacities, scene.features, 20, 20, 0.999)
    b = native.composite(projection, scene.opacities, swapped, 20, 20, 0.999)
    assert torch.equal(a[0], b[0])


def test_broken_gaussians_are_not_drawn():
    """A Gaussian that is not a number, or has no inverse covariance, must not take the image with it."""
    scene = scenes.make(1, count=30, channels=3, width=20, height=20)
    projection = project(*scene[:3], scene.viewmat, scene.K, 20, 20)
    kept = torch.ones(30, dtype=torch.bool)
    kept[:4] = False
    bad = projection._replace(means2d=projection.means2d.clone(), conics=projection.conics.clone())
    bad.means2d[0, 0] = torch.nan
    bad.conics[0, 1] = torch.nan
    bad.conics[0, 2] = -1
    opacities = scene.opacities.clone()
    opacities[0, 3] = torch.nan
    drawn = native.composite(bad, opacities, scene.features, 20, 20, 0.999)
    others = type(projection)(*(part[:, kept] for part in projection))
    expected = native.composite(others, opacities[:, kept], scene.features[:, kept], 20, 20, 0.999)
    assert torch.equal(drawn[0], expected[0])


def cloud_gradients(scene, threads, backend="native"):
    """Of images 2 x 3 whose scales, rotations and opacities are shared between the three of each."""
    shared = [scene.means, *(array[:, :1] for array in scene[1:4]), scene.features]
    leaves = [array.clone().requires_grad_() for array in shared]
    before = torch.get_num_threads()
    torch.set_num_threads(threads)
    try:
        rendered = render(*leaves, scene.viewmat, scene.K, 75, 70, backend=backend)
        return [
            *(part.detach() for part in rendered),
            *torch.autograd.grad(rendered.features.square().sum() + rendered.alpha.sum(), leaves),
        ]
    finally:
        torch.set_num_threads(before)


@pytest.mark.parametrize("channels", [3, 7])
def test_shared_inputs_get_the_sum_of_all_gradients(channels):
    scene = scenes.make(2, 3, count=70, channels=channels, width=70, height=75)
    exact = cloud_gradients(type(scene)(*(array.double() for array in scene)), 1, backend="torch")
    for ours, expected in zip(cloud_gradients(scene, 1), exact, strict=True):
        assert ours.shape == expected.shape
        assert float((ours - expected).norm() / expected.norm()) <= 1e-5


def test_bits_of_a_rendered_cloud_do_not_depend_on_the_threads():
    scene = scenes.make(2, 3, count=400, channels=3, width=70, height=75)  # enough for three threads
    first = cloud_gradients(scene, threads=1)
    for threads in (2, 3):
        for a, b in zip(first, cloud_gradients(scene, threads), strict=True):
            assert torch.equal(a, b)


def test_without_gradients_the_projection_is_that_of_project():
    scene = scenes.make(2, count=60, channels=3, width=20, height=20)
    projected = composite(project(*scene[:3], scene.viewmat, scene.K, 20, 20), *scene[3:5], 20, 20)
    rendered = render(*scene, 20, 20, backend="native")
    assert torch.equal(rendered.features, projected.features)
    means = scene.means.clone().requires_grad_()
    again = render(means, *scene[1:], 20, 20, backend="native")
    assert torch.allclose(again.features.detach(), projected.features, atol=1e-5)


def test_gradients_reach_the_camera():
    scene = scenes.make(2, count=60, channels=3, width=20, height=20)
    grads = []
    for dtype, backend in ((torch.float32, "native"), (torch.float64, "torch")):
        leaves = [array.to(dtype).clone().requires_grad_() for array in scene]
        rendered = render(*leaves, 20, 20, backend=backend)
        grads.append(torch.autograd.grad(rendered.features.square().sum(), leaves))
    for ours, expected in zip(*grads, strict=True):
        assert float((ours - expected).norm() / expected.norm()) <= 1e-5


def test_a_backward_pass_may_be_run_twice():
    scene = scenes.make(1, count=30, channels=3, width=20, height=20)
    means = scene.means.clone().requires_grad_()
    loss = render(means, *scene[1:], 20, 20, backend="native").features.square().sum()
    first, second = (torch.autograd.grad(loss, means, retain_graph=True)[0] for _ in range(2))
    assert torch.equal(first, second)


@pytest.mark.parametrize("spoilt", [0, 1, 2])
def test_nan_inputs_give_nan_gradients(spoilt):
    """The Gaussian is not drawn; its gradient says so, which is what training watches."""
    scene = scenes.make(1, count=30, channels=3, width=20, height=20)
    leaves = [array.clone() for array in scene[:5]]
    leaves[spoilt][0, 3] = torch.nan
    for leaf in leaves:
        leaf.requires_grad_()
    rendered = render(*leaves, scene.viewmat, scene.K, 20, 20, backend="native")
    assert torch.isfinite(rendered.features).all()
    gradient = torch.autograd.grad(rendered.features.sum(), leaves)[spoilt]
    assert gradient[0, 3].isnan().any()
    assert torch.isfinite(gradient[0, 4:]).all()


def test_clouds_that_do_not_fit_are_named():
    scene = scenes.make(1, count=5, channels=3, width=20, height=18)
    means = scene.means.clone().requires_grad_()
    with pytest.raises(ValueError, match="render needs arrays of 5 Gaussians"):
        render(means, scene.quats[:, :4], *scene[2:], 18, 20, backend="native")
    with pytest.raises(ValueError, match="render needs arrays of 5 Gaussians"):
        render(means, *scene[1:4], scene.features[..., :0], *scene[5:], 18, 20, backend="native")
