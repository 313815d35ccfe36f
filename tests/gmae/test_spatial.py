from __future__ import annotations

import itertools

import pytest
import torch

from tests.gmae.nets import TINY, network
from tests.shared.configured import changed
from vgmae_bench.gmae import spatial
from vgmae_bench.gmae.gaussians import View
from vgmae_bench.gmae.spatial import Order, Scene
from vgmae_bench.videogmae.gaussians.gaussians import SCENE_DEPTH, Gaussians

SIZE = 32


def planes(near: float = 4.0, far: float = 8.0) -> Scene:
    """A red plane in the left half of a view, and a blue plane farther away in the right half, with equally many Gaussians."""
    means, scales, colours = [], [], []
    halves = ((near, range(-3, 16, 2), (1.0, 0.0, 0.0)), (far, range(17, 36, 2), (0.0, 0.0, 1.0)))
    for depth, columns, colour in halves:
        pixel = depth / (SIZE / 2)
        for x, y in itertools.product(columns, range(-1, 34, 2)):
            means.append([(x - SIZE / 2) * pixel, (y - SIZE / 2) * pixel, depth - SCENE_DEPTH])
            scales.append([0.8 * pixel] * 3)
            colours.append(colour)
    upright = torch.tensor([[1.0, 0.0, 0.0, 0.0]]).expand(len(means), 4)
    opaque = torch.full((len(means),), 0.95)
    splats = Gaussians(torch.tensor(means), torch.tensor(scales), upright, opaque, torch.tensor(colours))
    return Scene(splats, View().camera_for(SIZE, SIZE, splats.means), "over", "torch")


def outputs() -> Gaussians:
    """The scattered Gaussians of a random network for noise."""
    model = network(changed(TINY, gaussian_start="random", query_position="learned"))
    with torch.no_grad():
        return View().gaussians(model(torch.randn(1, 3, 1, SIZE, SIZE, generator=torch.Generator().manual_seed(0))))


def predicted(order: Order = "near") -> Scene:
    made = outputs()
    return spatial.ordered(made, View().camera_for(SIZE, SIZE, made.means), "over", order, "torch")


def test_gaussians_are_sorted_in_the_requested_order() -> None:
    near, far = predicted("near").depths, predicted("far").depths
    assert (near.diff() >= 0).all()
    assert (far.diff() <= 0).all()


def test_layers_are_of_equal_size() -> None:
    found = spatial.layers(10, 4)
    assert [len(range(10)[layer]) for layer in found] == [2, 3, 3, 2]
    assert [index for layer in found for index in range(10)[layer]] == list(range(10))


def test_all_gaussians_together_are_the_whole_picture() -> None:
    made = outputs()
    scene = predicted()
    rendered = View().render(made, SIZE, SIZE, "torch")[0, 0]  # as in training
    added = spatial.cumulative_layers(scene, [0, 12, 36])
    assert torch.equal(added[0], torch.ones(SIZE, SIZE, 3))
    torch.testing.assert_close(added[2], scene.picture())
    torch.testing.assert_close(added[2], rendered)
    assert not torch.allclose(added[1], added[2])


def test_weights_of_layers_sum_to_alpha() -> None:
    scene = predicted()
    weights = spatial.layer_weights(scene, 5)
    assert weights.shape == (5, SIZE, SIZE)
    torch.testing.assert_close(weights.sum(dim=0), scene.draw().alpha)
    assert (weights.amax(dim=(1, 2)) > 0).sum() > 1


def test_layers_alone_hold_their_gaussians_only() -> None:
    first, second = spatial.single_layers(planes(), 2)
    assert first[16, 4, 0] > 0.9 > first[16, 4, 2]  # red on the left
    assert torch.allclose(first[16, 28], torch.ones(3), atol=0.02)  # nothing on the right
    assert second[16, 28, 2] > 0.9 > second[16, 28, 0]


@pytest.mark.parametrize("rule", ["change", "weight"])
def test_outlines_of_two_planes_are_where_they_meet_and_fewer_layers_add_none(rule: spatial.Rule) -> None:
    scene = planes()
    found = spatial.outlines(spatial.layer_map(scene, 2, rule, eps=0.1))
    columns = found.nonzero()[:, 1]
    assert found.any(dim=1).all()  # in every row
    assert (columns - (SIZE // 2 - 1)).abs().max() <= 2
    assert not spatial.outlines(spatial.layer_map(scene, 1, rule, eps=0.1)).any()


def test_unchanged_pixels_belong_to_no_layer() -> None:
    scene = planes()
    hidden = scene._replace(splats=scene.splats._replace(opacities=torch.zeros_like(scene.splats.opacities)))
    for rule in ("change", "weight"):
        assert (spatial.layer_map(hidden, 4, rule) == -1).all()


def test_the_figure_is_the_area_not_covered_by_the_first_layers() -> None:
    """The nearest half of the Gaussians is the red plane. It covers the left half only."""
    scene = planes()
    left_open = spatial.unexplained(scene, share=0.5)
    assert left_open[:, :12].max() < 0.2
    assert left_open[:, 20:].min() > 0.8


def test_depth_is_the_logarithm_between_the_nearest_and_the_farthest() -> None:
    scene = planes(near=2.0, far=8.0)
    depth = spatial.depth_image(scene)
    assert depth[16, 4] == pytest.approx(0.0, abs=1e-4)
    assert depth[16, 28] == pytest.approx(1.0, abs=1e-4)
    empty = scene._replace(splats=scene.splats._replace(opacities=torch.zeros_like(scene.splats.opacities)))
    assert spatial.depth_image(empty).isnan().all()


def test_density_counts_opacities_where_the_centres_are() -> None:
    scene = planes()
    one = scene.pick(scene.splats.means[:, :2].square().sum(dim=1).argmin()[None])
    found = spatial.density(one, sigma=0.05)
    assert float(found.sum()) == pytest.approx(0.95, rel=0.01)
    x, y = spatial.centres(one)[0]
    row, column = divmod(int(found.argmax()), SIZE)
    assert abs(column + 0.5 - float(x)) <= 1
    assert abs(row + 0.5 - float(y)) <= 1
