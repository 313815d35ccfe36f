"""What only the native back end has: the same bits every time, for any number of threads, on any width of vectors."""

import pytest
import torch

from tests.splatting import scenes
from vgmae_bench.splatting import native, project, status

pytestmark = pytest.mark.skipif(not status()["native"].usable, reason=status()["native"].detail)


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
