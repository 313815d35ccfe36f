from __future__ import annotations

from dataclasses import replace

import pytest
import torch

from tests.videogmae.gaussians.scenes import blobs, carpet, uniform
from vgmae_bench.splatting import render
from vgmae_bench.videogmae.gaussians.gaussians import Gaussians, fixed_camera
from vgmae_bench.videogmae.gaussians.motion import chunk_sums, read_motion
from vgmae_bench.videogmae.gaussians.switches import PRESETS, FlowAlpha, Switches
from vgmae_bench.videogmae.gaussians.tracking import Motion, sample_map, sample_weights

SIZE = 32
DEFAULT = PRESETS["default"]


def _read(gaussians: Gaussians, switches: Switches = DEFAULT) -> Motion:
    return read_motion(gaussians, fixed_camera(SIZE, SIZE, like=gaussians.means), switches, "torch")


@pytest.mark.parametrize(("mode", "power"), [("official", 2), ("paper", 1), ("normalised", 0)])
def test_flow_of_one_gaussian(mode: FlowAlpha, power: int) -> None:
    """The flow is d times alpha squared, d times alpha, or d."""
    step = (1.5, -0.5)
    gaussians = blobs(torch.tensor([[16.0, 16.0]]), uniform(step, 2), size=SIZE, sigma=4)
    motion = _read(gaussians, replace(DEFAULT, flow_alpha=mode))
    pixel = torch.tensor([[18, 15]])
    alpha = motion.weights(0, pixel).sum()
    assert 0.2 < alpha < 0.9
    torch.testing.assert_close(motion.flow[0, 15, 18], alpha**power * torch.tensor(step), rtol=1e-4, atol=1e-5)


def test_flow_is_zero_outside_all_gaussians() -> None:
    motion = _read(blobs(torch.tensor([[4.0, 4.0]]), uniform((1.0, 0.0), 2), size=SIZE, sigma=1))
    assert torch.equal(motion.flow[0, 20, 20], torch.zeros(2))


def test_sparse_weights_are_the_dense_ones() -> None:
    generator = torch.Generator().manual_seed(3)
    centres = torch.rand(40, 2, generator=generator) * SIZE
    gaussians = blobs(centres, torch.randn(3, 40, 2, generator=generator), size=SIZE, sigma=3, opacity=0.7)
    motion, camera = _read(gaussians), fixed_camera(SIZE, SIZE, like=gaussians.means)
    xy = torch.rand(50, 2, generator=generator) * (SIZE + 4) - 2
    for frame in range(3):
        dense = render(
            gaussians.means[0, frame],
            gaussians.quats[0],
            gaussians.scales[0],
            gaussians.opacities[0],
            torch.eye(40),
            camera.viewmat,
            camera.K,
            SIZE,
            SIZE,
            backend="torch",
        ).features
        sparse = sample_weights(motion, frame, xy, "raster")
        torch.testing.assert_close(sparse, sample_map(dense, xy, "raster"), rtol=0, atol=1e-5)


def test_centres_outside_of_the_frame_still_move() -> None:
    motion = _read(blobs(torch.tensor([[SIZE + 20.0, 5.0]]), uniform((2.0, 1.0), 3), size=SIZE))
    assert motion.usable.all()
    torch.testing.assert_close(motion.centres.diff(dim=0)[:, 0], torch.tensor([[2.0, 1.0]] * 2), rtol=0, atol=1e-4)


def test_a_gaussian_that_drifts_behind_the_camera_is_left_out() -> None:
    gaussians = blobs(torch.tensor([[16.0, 16.0], [17.0, 16.0]]), uniform((1.0, 0.0), 2), size=SIZE, sigma=4)
    gaussians.means[0, 1, 0, 2] = -9
    masked = _read(gaussians)
    assert masked.usable.tolist() == [[False, True]]
    torch.testing.assert_close(masked.flow[0, 16, 16], torch.tensor([1.0, 0.0]), rtol=0, atol=1e-4)
    included = _read(gaussians, replace(DEFAULT, culled_gaussians="include"))
    assert included.usable.all()
    assert (included.flow[0, 16, 16] - torch.tensor([1.0, 0.0])).norm() > 0.1


def test_chunks_of_32_share_their_sum() -> None:
    weights = torch.rand(3, 40, generator=torch.Generator().manual_seed(0))
    summed = chunk_sums(weights)
    torch.testing.assert_close(summed[:, 5], weights[:, :32].sum(dim=1))
    torch.testing.assert_close(summed[:, 39], weights[:, 32:].sum(dim=1))
    assert summed.shape == weights.shape


def test_the_anchor_weights_switch_reaches_the_weights() -> None:
    gaussians = blobs(carpet(SIZE), uniform((0.0, 0.0), 2), size=SIZE)
    pixels = torch.tensor([[10, 10], [3, 20]])
    summed = _read(gaussians, replace(DEFAULT, anchor_weights="chunk_sum")).weights(1, pixels)
    torch.testing.assert_close(summed, chunk_sums(_read(gaussians).weights(1, pixels)))
