"""Weights at points: those of the rendered pixels, at any position between them, with gradients."""

import torch

from tests.splatting import scenes
from tests.splatting.dense import pixel_centres, sorted_weights
from vgmae_bench.splatting import Projection, composite, project, weights_at

HEIGHT, WIDTH = 22, 31


def projected(*batch, dtype=torch.float32):
    scene = scenes.make(*batch, count=60, channels=3, width=WIDTH, height=HEIGHT, dtype=dtype)
    return scene, project(*scene[:3], scene.viewmat, scene.K, HEIGHT, WIDTH)


def test_weights_at_pixel_centres_equal_the_reference():
    scene, projection = projected(dtype=torch.float64)
    weights = weights_at(projection, scene.opacities, pixel_centres(HEIGHT, WIDTH, torch.float64).flatten(0, 1))
    expected, order = sorted_weights(projection, scene.opacities, HEIGHT, WIDTH)
    assert torch.allclose(weights[:, order].unflatten(0, (HEIGHT, WIDTH)), expected, atol=1e-12)
    assert torch.allclose(weights.sum(-1).unflatten(0, (HEIGHT, WIDTH)), expected.sum(-1), atol=1e-12)
    assert expected.max() > 0.9  # some are clamped, or this would show little


def test_weights_times_colours_give_the_image():
    scene, projection = projected(2)
    centres = pixel_centres(HEIGHT, WIDTH, torch.float32).flatten(0, 1).expand(2, -1, 2)
    image = weights_at(projection, scene.opacities, centres, max_alpha=0.7) @ scene.features
    rendered = composite(projection, scene.opacities, scene.features, HEIGHT, WIDTH, max_alpha=0.7)
    assert torch.allclose(image.unflatten(1, (HEIGHT, WIDTH)), rendered.features, atol=1e-5)


def test_weights_between_pixels_follow_the_gaussian():
    projection = Projection(
        means2d=torch.tensor([[4.0, 5.0], [4.0, 5.0]]),
        conics=torch.tensor([[0.5, 0.1, 0.25], [0.5, 0.1, 0.25]]),
        depths=torch.tensor([2.0, 1.0]),  # the second is in front
        radii=torch.full((2, 2), 9, dtype=torch.int32),
    )
    weights = weights_at(projection, torch.tensor([0.5, 0.8]), torch.tensor([[4.75, 4.5]]))
    falloff = torch.exp(torch.tensor(-(0.5 * 0.75**2 + 0.25 * 0.5**2) / 2 + 0.1 * 0.75 * 0.5))
    front, back = 0.8 * falloff, 0.5 * falloff
    assert torch.allclose(weights, torch.stack([back * (1 - front), front])[None])


def test_culled_gaussians_and_empty_sets():
    scene, projection = projected()
    radii = projection.radii.clone()
    radii[3] = 0
    xy = pixel_centres(HEIGHT, WIDTH, torch.float32).flatten(0, 1)
    assert weights_at(projection, scene.opacities, xy)[:, 3].any()
    assert not weights_at(projection._replace(radii=radii), scene.opacities, xy)[:, 3].any()
    assert weights_at(projection, scene.opacities, xy[:0]).shape == (0, 60)
    none = Projection(*(part[:0] for part in projection))
    assert weights_at(none, scene.opacities[:0], xy).shape == (len(xy), 0)


def test_leading_dimensions_and_gradients():
    scene, projection = projected(2, 3, dtype=torch.float64)
    xy = (torch.rand(2, 3, 5, 2, generator=torch.Generator().manual_seed(0), dtype=torch.float64) * 20).requires_grad_()
    weights = weights_at(projection, scene.opacities, xy)
    assert weights.shape == (2, 3, 5, 60)
    alone = weights_at(Projection(*(part[1, 2] for part in projection)), scene.opacities[1, 2], xy[1, 2])
    assert torch.equal(weights[1, 2], alone)
    assert torch.autograd.gradcheck(
        lambda points: weights_at(projection, scene.opacities, points)[:1, :1, :2, ::7], xy, eps=1e-7, atol=1e-5
    )
