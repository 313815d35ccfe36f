from __future__ import annotations

import pytest
import torch
from torch import Tensor

from tests.videogmae.gaussians.scenes import blobs, carpet
from vgmae_bench.videogmae.gaussians import alignment
from vgmae_bench.videogmae.gaussians.alignment import TEAR, Stage, Stiffness, align, bending, bias
from vgmae_bench.videogmae.gaussians.gaussians import Gaussians, fixed_camera, render_video

SIZE = 32


def _random(*shape: int, seed: int = 0) -> Tensor:
    return torch.randn(*shape, generator=torch.Generator().manual_seed(seed))


def _points(count: int = 60) -> Tensor:
    return 16 + 8 * _random(count, 2)


def _scene() -> Gaussians:
    """Coloured Gaussians that cover the frame."""
    gaussians = blobs(carpet(SIZE, spacing=3.0), torch.zeros(1, 2), size=SIZE, sigma=1.8)
    return gaussians._replace(colors=_random(*gaussians.colors.shape, seed=1).mul(0.3).add(0.5).clamp(0, 1))


def _moved(gaussians: Gaussians, by: Tensor) -> Gaussians:
    """By pixels [2] or [G, 2]."""
    world = 8 / (SIZE / 2) * by
    flat = gaussians.means[..., :2] + world
    return gaussians._replace(means=torch.cat([flat, gaussians.means[..., 2:]], dim=-1))


def _centres(gaussians: Gaussians) -> Tensor:
    return gaussians.means[0, 0, :, :2] / 8 * SIZE / 2 + SIZE / 2


def _step(
    gaussians: Gaussians, target: Tensor, *, strength: float = 100.0, outlier: float = 1.0, off: Tensor | None = None
) -> Tensor:
    """Pixels [G, 3], the third one 0 if depths stay."""
    camera = fixed_camera(SIZE, SIZE, like=target)
    rest = _centres(gaussians)
    stage = Stage(Stiffness(bending(rest), strength), outlier, torch.zeros_like(rest) if off is None else off)
    return align(gaussians, camera, target, rest, stage, "torch") / 8 * SIZE / 2


def _seen(gaussians: Gaussians) -> Tensor:
    return render_video(gaussians, fixed_camera(SIZE, SIZE, like=gaussians.means), "over", "torch")[0, 0]


def _pattern(gaussians: Gaussians) -> Tensor:
    """[SIZE, SIZE, 3]: a rough pattern that moves with the Gaussians."""
    return _seen(gaussians._replace(colors=_random(*gaussians.colors.shape, seed=5)))


@pytest.mark.parametrize("points", [_points(), carpet(SIZE)], ids=["random", "grid"])
def test_affine_motion_has_no_bending(points: Tensor) -> None:
    affine = points @ torch.tensor([[0.3, -0.2], [0.1, -0.4]]) + torch.tensor([3.0, -1.0])
    assert (
        bending(points).dense() @ affine
    ).abs().max() < 0.05  # the ridge, at the few that have all others to one side
    assert (bending(points).dense() @ points.square()).abs().median() > 0.5


@pytest.mark.parametrize(
    "points",
    [_points(1), _points(2), _points(3), torch.ones(20, 2), torch.arange(20.0)[:, None].expand(20, 2)],
    ids=["one", "two", "three", "one place", "a line"],
)
def test_common_motion_does_not_bend_any_set_of_points(points: Tensor) -> None:
    bent = bending(points).dense() @ torch.ones(len(points), 2)
    torch.testing.assert_close(bent, torch.zeros_like(bent), rtol=0, atol=1e-4)
    assert torch.isfinite(
        Stiffness(bending(points), 6000.0).solve(torch.eye(2).expand(len(points), 2, 2), points, bent)
    ).all()


def test_the_solver_solves() -> None:
    """The result equals a dense solution of the same equations. Each point has two unknowns, coupled by evidence from edges."""
    points, count = _points(40), 40
    edges = _random(count, 2, seed=2)
    evidence = edges[:, :, None] * edges[:, None] + 0.01 * torch.eye(2)
    pull, displaced = _random(count, 2, seed=3), 0.2 * _random(count, 2, seed=4)
    sparse, strength = bending(points), 30.0
    B = sparse.dense()
    weights = strength / (1 + (B @ displaced).square().sum(dim=1) / TEAR**2)
    energy = B.mT @ (weights[:, None] * B)
    matrix = torch.block_diag(*evidence) + torch.kron(energy, torch.eye(2))
    expected = torch.linalg.solve(matrix, (pull - energy @ displaced).flatten()).view(count, 2)

    def distance(step: Tensor) -> float:
        return float((step - expected).norm() / expected.norm())

    solver = Stiffness(sparse, strength)
    assert distance(solver.solve(evidence, pull, displaced)) < 0.5
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(alignment, "SOLVER_STEPS", 200)
        assert distance(solver.solve(evidence, pull, displaced)) < 1e-3


@pytest.mark.parametrize(("width", "closed"), [(0.02, True), (4.0, False)])
def test_small_bends_are_smoothed_and_tears_stay(width: float, closed: bool) -> None:
    """Half of the points are displaced by `width`. Measures how much of this gap one step closes."""
    points = carpet(SIZE)
    right = points[:, 0] > SIZE / 2
    torn = torch.where(right[:, None], torch.tensor([width, 0.0]), torch.tensor([0.0, 0.0]))
    evidence = torch.eye(2).expand(len(points), 2, 2)
    after = torn + Stiffness(bending(points), 30.0).solve(evidence, torch.zeros_like(torn), torn)
    beside = (points[:, 0] - SIZE / 2).abs() < 4
    gap = float(after[right & beside, 0].mean() - after[~right & beside, 0].mean())
    assert gap < 0.5 * width if closed else gap > 0.9 * width


@pytest.mark.parametrize("shift", [(0.4, -0.3), (-0.8, 0.0)])
def test_one_step_finds_a_small_translation(shift: tuple[float, float]) -> None:
    gaussians = _scene()
    step = _step(gaussians, _seen(_moved(gaussians, torch.tensor(shift))))
    inside = ((_centres(gaussians) - SIZE / 2).abs() < SIZE / 2).all(dim=1)
    error = (step[inside, :2] - torch.tensor(shift)).norm(dim=1)
    assert error.median() < 0.15 * torch.tensor(shift).norm()
    assert error.max() < 0.3 * torch.tensor(shift).norm()
    assert torch.equal(step[:, 2], torch.zeros(len(step)))


def test_an_unchanged_frame_gives_no_step() -> None:
    gaussians = _scene()
    assert _step(gaussians, _seen(gaussians)).abs().max() < 1e-4


def test_errors_of_the_first_frame_cause_no_motion() -> None:
    """Neither in that frame nor in a later frame with moved Gaussians."""
    gaussians, shift = _scene(), torch.tensor([0.5, -0.4])
    camera = fixed_camera(SIZE, SIZE, like=gaussians.means)
    target = _seen(gaussians) + 0.15 * _pattern(gaussians)
    off = bias(gaussians, camera, target, 1.0, "torch")
    assert _step(gaussians, target).norm(dim=1).mean() > 0.1
    assert _step(gaussians, target, off=off).abs().max() < 1e-3

    moved = _moved(gaussians, shift)
    target = _seen(moved) + 0.15 * _pattern(moved)
    inside = ((_centres(gaussians) - SIZE / 2).abs() < 12).all(dim=1)

    def error(off: Tensor | None) -> float:
        return float((_step(gaussians, target, off=off)[inside, :2] - shift).norm(dim=1).mean())

    assert error(off) < 0.6 * error(None)


def test_steps_are_limited_to_the_range_of_the_linearisation() -> None:
    gaussians = _scene()
    step = _step(gaussians, _seen(_moved(gaussians, torch.tensor([9.0, 7.0]))), strength=0.0)
    assert step.abs().max() <= alignment.LARGEST_STEP + 1e-5
    assert (step.abs() > alignment.LARGEST_STEP - 1e-3).any()


def test_outlier_pixels_have_no_weight() -> None:
    gaussians, shift = _scene(), torch.tensor([0.5, 0.0])
    target = _seen(_moved(gaussians, shift))
    target[8:20, 8:20] = 1.0  # something new
    near = ((_centres(gaussians) - 14).abs() < 6).all(dim=1)

    def error(outlier: float) -> float:
        return float((_step(gaussians, target, outlier=outlier)[near, :2] - shift).norm(dim=1).mean())

    assert error(0.15) < 0.2
    assert error(0.15) < error(100.0) / 3


@pytest.mark.parametrize("shade", [0.0, 0.5, 1.0])
def test_uniform_frames_give_no_step(shade: float) -> None:
    flat = blobs(carpet(SIZE), torch.zeros(1, 2), size=SIZE, sigma=4.0)
    flat = flat._replace(colors=torch.full_like(flat.colors, shade))
    step = _step(flat, torch.full((SIZE, SIZE, 3), shade))
    assert torch.isfinite(step).all()
    assert step.abs().max() < 0.05


def test_the_sparse_products_are_those_of_the_matrix():
    generator = torch.Generator().manual_seed(0)
    sparse = bending(torch.rand(30, 2, generator=generator, dtype=torch.float64))
    rows = torch.rand(2, 30, generator=generator, dtype=torch.float64)
    assert torch.allclose(sparse.bend(rows), rows @ sparse.dense().mT, atol=1e-12)
    assert torch.allclose(sparse.spread(rows), rows @ sparse.dense(), atol=1e-12)
    one = bending(torch.zeros(1, 2))
    assert not one.bend(torch.ones(2, 1)).any()
    assert not one.dense().any()
