"""`render` and `composite`: all back ends against the dense oracle, forward and backward, and their contract."""

import pytest
import torch

from tests.shared.compiler import needs_compiler
from tests.splatting import scenes
from tests.splatting.dense import composite_image
from vgmae_bench.errors import UsageError
from vgmae_bench.splatting import Projection, composite, project, render, status

BACKENDS = ["torch", pytest.param("native", marks=needs_compiler)]


def oracle(scene, height, width, max_alpha=0.999):
    """float64 [I, H, W, C] and [I, H, W] of a scene with one leading dimension, and its leaves, for gradients."""
    leaves = [array.double().detach().requires_grad_() for array in scene[:5]]
    projection = project(*leaves[:3], scene.viewmat.double(), scene.K.double(), height, width)
    images = [
        composite_image(
            Projection(*(part[i] for part in projection)), leaves[3][i], leaves[4][i], height, width, max_alpha
        )
        for i in range(len(scene.means))
    ]
    return torch.stack([image[0] for image in images]), torch.stack([image[1] for image in images]), leaves


def relative(a, b):
    return float((a.double() - b).norm() / b.norm().clamp(min=1e-12))


@pytest.mark.parametrize("backend", BACKENDS)
@pytest.mark.parametrize(
    ("count", "channels", "height", "width"),
    [(60, 1, 20, 33), (90, 3, 40, 50), (90, 5, 37, 16), (50, 8, 5, 7), (300, 3, 32, 48), (1, 2, 1, 1)],
)
def test_all_agree_with_the_oracle(backend, count, channels, height, width):
    scene = scenes.make(2, count=count, channels=channels, width=width, height=height, seed=count + channels)
    expected, expected_alpha, expected_leaves = oracle(scene, height, width)
    leaves = [array.requires_grad_() for array in scene[:5]]
    rendered = render(*leaves, scene.viewmat, scene.K, height, width, backend=backend)
    assert rendered.features.shape == (2, height, width, channels)
    assert rendered.alpha.shape == (2, height, width)
    scale = max(float(expected.detach().abs().max()), 1.0)
    assert float((rendered.features - expected).detach().abs().max()) <= 1e-5 * scale
    assert float((rendered.alpha - expected_alpha).detach().abs().max()) <= 1e-5

    generator = torch.Generator().manual_seed(1)
    weight, weight_alpha = (torch.randn(t.shape, generator=generator) for t in (expected, expected_alpha))
    loss = (rendered.features * weight).sum() + (rendered.alpha * weight_alpha).sum()
    expected_loss = (expected * weight).sum() + (expected_alpha * weight_alpha).sum()
    gradients = torch.autograd.grad(loss, leaves)
    # Moments about the middle of a tile lose digits for a Gaussian much smaller than it, as in the image of one pixel.
    tolerance = 1e-4 if backend == "torch" else 1e-5
    for gradient, exact in zip(gradients, torch.autograd.grad(expected_loss, expected_leaves), strict=True):
        assert relative(gradient, exact) <= tolerance


@pytest.mark.parametrize("backend", BACKENDS)
def test_gradients_of_alpha_or_features_alone(backend):
    scene = scenes.make(1, count=40, channels=3, width=24, height=24)
    expected, expected_alpha, expected_leaves = oracle(scene, 24, 24)
    leaves = [array.requires_grad_() for array in scene[:5]]
    rendered = render(*leaves, scene.viewmat, scene.K, 24, 24, backend=backend)
    for output, exact in ((rendered.features, expected), (rendered.alpha, expected_alpha)):
        gradients = torch.autograd.grad(output.square().sum(), leaves[:4], retain_graph=True)
        exacts = torch.autograd.grad(exact.square().sum(), expected_leaves[:4], retain_graph=True)
        for gradient, expected_gradient in zip(gradients, exacts, strict=True):
            assert relative(gradient, expected_gradient) <= 2e-5


@pytest.mark.parametrize("backend", BACKENDS)
def test_max_alpha_is_a_parameter(backend):
    scene = scenes.make(1, count=40, channels=3, width=24, height=24)
    expected, _, _ = oracle(scene, 24, 24, max_alpha=0.6)
    rendered = render(*scene, 24, 24, max_alpha=0.6, backend=backend)
    assert float((rendered.features - expected).detach().abs().max()) <= 1e-5 * float(expected.detach().abs().max())


def test_tiles_pass_gradcheck():
    scene = scenes.make(1, count=8, channels=1, width=17, height=17, seed=4, dtype=torch.float64)  # four tiles
    leaves = [array.requires_grad_() for array in scene[:5]]
    assert torch.autograd.gradcheck(
        lambda *cloud: render(*cloud, scene.viewmat, scene.K, 17, 17, backend="torch"), leaves, eps=1e-7, atol=1e-5
    )


@pytest.mark.parametrize("backend", BACKENDS)
def test_an_empty_scene_renders_empty(backend):
    empty = scenes.make(2, count=0, channels=3, width=20, height=18)
    leaves = [array.requires_grad_() for array in empty[:5]]
    rendered = render(*leaves, empty.viewmat, empty.K, 18, 20, backend=backend)
    assert rendered.features.shape == (2, 18, 20, 3)
    assert not rendered.features.any()
    gradients = torch.autograd.grad(rendered.features.sum(), leaves)
    assert [gradient.shape for gradient in gradients] == [leaf.shape for leaf in leaves]

    culled = scenes.make(2, count=9, channels=3, width=20, height=18)
    means = (culled.means - torch.tensor([0.0, 0, 40])).requires_grad_()
    rendered = render(means, *culled[1:], 18, 20, backend=backend)
    assert not rendered.features.any()
    assert not rendered.alpha.any()
    (gradient,) = torch.autograd.grad(rendered.features.sum() + rendered.alpha.sum(), means)
    assert torch.equal(gradient, torch.zeros_like(means))

    no_images = scenes.make(0, count=9, channels=3, width=20, height=18)
    assert render(*no_images, 18, 20, backend=backend).features.shape == (0, 18, 20, 3)


@pytest.mark.parametrize("backend", BACKENDS)
@pytest.mark.parametrize("z", [-8.0, -20.0])  # in and behind the camera
def test_one_gaussian_behind_the_camera_leaves_the_others_alone(backend, z):
    scene = scenes.make(1, count=20, channels=3, width=20, height=18)
    means = scene.means.clone()
    means[0, 7] = torch.tensor([0.0, 0.0, z])
    leaves = [array.requires_grad_() for array in (means, *scene[1:5])]
    rendered = render(*leaves, scene.viewmat, scene.K, 18, 20, backend=backend)
    for gradient in torch.autograd.grad(rendered.features.sum(), leaves):
        assert torch.isfinite(gradient).all()
        assert not gradient[0, 7].any()
    kept = torch.arange(20) != 7
    alone = render(*(array[:, kept] for array in leaves), scene.viewmat, scene.K, 18, 20, backend=backend)
    assert torch.allclose(rendered.features, alone.features, atol=1e-6)


@pytest.mark.parametrize("backend", BACKENDS)
def test_gaussians_on_borders_and_corners(backend):
    height, width = 21, 35
    means2d = torch.tensor([[[0.0, 0], [35, 21], [35, 0], [0, 10], [-3, 5], [38, 20], [17.5, -2.5], [16, 16], [32, 4]]])
    count = means2d.shape[1]
    conics = torch.tensor([0.2, 0.15, 0.3]).expand(1, count, 3)
    radii = torch.full((1, count, 2), 12, dtype=torch.int32)
    depths = torch.tensor([[3.0, 1, 2, 2, 2, 5, 4, 6, 7]])  # ties go by index
    projection = Projection(means2d, conics, depths, radii)
    opacities, features = (
        torch.full((1, count), 0.9),
        torch.randn(1, count, 3, generator=torch.Generator().manual_seed(0)),
    )
    rendered = composite(projection, opacities, features, height, width, backend=backend)
    exact = Projection(means2d[0].double(), conics[0].double(), depths[0].double(), radii[0])
    expected, alpha = composite_image(exact, opacities[0].double(), features[0].double(), height, width)
    assert float((rendered.features[0] - expected).abs().max()) <= 1e-5
    assert float((rendered.alpha[0] - alpha).abs().max()) <= 1e-5


@pytest.mark.parametrize("backend", BACKENDS)
def test_compositing_stops_at_low_transmittance(backend):
    """Three times 0.9001 leave a little less than 1e-3 of the light; the fourth would leave less than 1e-4."""
    count = 40
    projection = Projection(
        means2d=torch.full((1, count, 2), 8.5),
        conics=torch.tensor([1e-4, 0, 1e-4]).expand(1, count, 3),
        depths=torch.arange(1.0, count + 1)[None],
        radii=torch.full((1, count, 2), 400, dtype=torch.int32),
    )
    opacities = torch.full((1, count), 0.9001, requires_grad=True)
    rendered = composite(projection, opacities, torch.ones(1, count, 1), 17, 17, backend=backend)
    assert float(rendered.alpha[0, 8, 8].detach()) == pytest.approx(1 - (1 - 0.9001) ** 3, abs=1e-6)
    (gradient,) = torch.autograd.grad(rendered.alpha[0, 8, 8], opacities)
    assert (gradient[0, :3] > 0).all()
    assert not gradient[0, 3:].any()


@pytest.mark.parametrize("backend", BACKENDS)
def test_leading_dimensions(backend):
    scene = scenes.make(2, 3, count=15, channels=3, width=20, height=18)
    rendered = render(*scene, 18, 20, backend=backend)
    assert rendered.features.shape == (2, 3, 18, 20, 3)
    one = render(*(array[1, 2] for array in scene[:5]), scene.viewmat, scene.K, 18, 20, backend=backend)
    assert one.features.shape == (18, 20, 3)
    assert one.alpha.shape == (18, 20)
    assert torch.allclose(one.features, rendered.features[1, 2], atol=1e-6)
    shared = render(
        scene.means, *(array[:, :1] for array in scene[1:5]), scene.viewmat, scene.K, 18, 20, backend=backend
    )
    again = render(
        scene.means[1, 2], *(array[1, 0] for array in scene[1:5]), scene.viewmat, scene.K, 18, 20, backend=backend
    )
    assert torch.allclose(shared.features[1, 2], again.features, atol=1e-6)


def test_half_precision_is_rendered_in_float32():
    scene = scenes.make(1, count=15, channels=3, width=20, height=18)
    halves = [array.bfloat16() for array in scene]
    with torch.autocast("cpu", dtype=torch.bfloat16):
        rendered = render(*halves, 18, 20)
    assert rendered.features.dtype == torch.float32
    assert torch.allclose(rendered.features, render(*(array.float() for array in halves), 18, 20).features, atol=1e-6)


def test_double_precision_is_rendered_in_double():
    scene = scenes.make(1, count=15, channels=3, width=20, height=18, dtype=torch.float64)
    expected, _, _ = oracle(scene, 18, 20)
    assert float((render(*scene, 18, 20).features - expected).detach().abs().max()) < 1e-12


def test_mistakes_are_named():
    scene = scenes.make(1, count=5, channels=3, width=20, height=18)
    with pytest.raises(UsageError, match=r'(?i)no splatting back end "nativ".*Did you mean native'):
        render(*scene, 18, 20, backend="nativ")
    with pytest.raises(UsageError, match="works on cuda, the tensors are on cpu"):
        render(*scene, 18, 20, backend="gsplat")
    with pytest.raises(UsageError, match="float32, the tensors are float64"):
        render(*(array.double() for array in scene), 18, 20, backend="native")
    projection = project(*scene[:3], scene.viewmat, scene.K, 18, 20)
    with pytest.raises(UsageError, match="projects by itself"):
        composite(projection, scene.opacities, scene.features, 18, 20, backend="gsplat")
    for opacities, features in ((scene.opacities[:, :4], scene.features), (scene.opacities, scene.features[..., :0])):
        with pytest.raises(ValueError, match="composite needs arrays of 5 Gaussians"):
            composite(projection, opacities, features, 18, 20)


@pytest.mark.gpu
def test_gsplat_agrees_with_torch():
    """gsplat is compiled with fast math: pixels where a threshold flips may differ, so quantiles are compared."""
    found = status()["gsplat"]
    assert found.usable, found.detail
    from vgmae_bench.splatting.cuda import max_alpha

    limit = max_alpha()
    scene = scenes.make(2, 2, count=100, channels=5, width=60, height=44)
    clouds = [[array.cuda().requires_grad_() for array in scene[:5]] for _ in range(2)]
    camera = (scene.viewmat.cuda(), scene.K.cuda(), 44, 60)
    ours, theirs = (
        render(*cloud, *camera, max_alpha=limit, backend=backend)
        for cloud, backend in zip(clouds, ("torch", "gsplat"), strict=True)
    )
    for a, b in zip(ours, theirs, strict=True):
        assert a.shape == b.shape
        assert float(torch.quantile((a - b).abs().flatten(), 0.99)) < 1e-4
    gradients = [
        torch.autograd.grad(rendered.features.square().sum() + rendered.alpha.sum(), cloud)
        for rendered, cloud in zip((ours, theirs), clouds, strict=True)
    ]
    for a, b in zip(*gradients, strict=True):
        assert relative(b, a.double()) < 1e-2
    with pytest.raises(UsageError, match="max_alpha"):
        render(*clouds[0], *camera, max_alpha=0.5, backend="gsplat")
