"""The walk, processed in pieces, equals a product of whole transition matrices."""

from __future__ import annotations

from dataclasses import replace

import pytest
import torch
import torch.nn.functional as F
from torch import Tensor
from vgmae_baselines.gmrw.pretraining.walk import FLOOR, Transition, Walker, walk_loss
from vgmae_baselines.gmrw.pretraining.warp import Targets
from vgmae_baselines.gmrw.readout import around_argmax

HEIGHT, WIDTH, CHANNELS = 4, 6, 8
WALKER = Walker(HEIGHT, WIDTH, temperature=0.7)
ALL_AT_ONCE, TEN_ROWS = 2**30, 2 * HEIGHT * WIDTH * 10


def walk(length: int, batch: int = 2) -> list[Transition]:
    generator = torch.Generator().manual_seed(length)
    shape = (batch, HEIGHT * WIDTH, CHANNELS)
    features = [torch.randn(shape, generator=generator, dtype=torch.float64) for _ in range(2 * length)]
    return [Transition(*(x.requires_grad_() for x in features[2 * t : 2 * t + 2])) for t in range(length)]


def cells() -> Tensor:
    return torch.stack([torch.randperm(HEIGHT * WIDTH, generator=torch.Generator().manual_seed(i)) for i in range(2)])


def multiplied_out(steps: list[Transition], radius: float | None) -> Tensor:
    """The whole matrix [B, N, N] of a walk."""
    product = torch.eye(HEIGHT * WIDTH, dtype=torch.float64)
    for source, target in steps:
        matrix = (source @ target.mT / WALKER.temperature).softmax(dim=-1)
        product = product @ (matrix if radius is None else around_argmax(matrix, WIDTH, radius))
    return product


@pytest.mark.parametrize("pieces", [ALL_AT_ONCE, TEN_ROWS])
@pytest.mark.parametrize("radius", [None, 2.0])
@pytest.mark.parametrize("length", [2, 4, 6])
def test_return_probability_and_its_gradients(length: int, radius: float | None, pieces: int) -> None:
    steps = walk(length)
    leaves = [features for step in steps for features in step]
    expected = multiplied_out(steps, radius).take_along_dim(cells()[:, :, None], dim=2)[:, :, 0]
    actual = replace(WALKER, radius=radius, pieces=pieces).return_probability(steps, cells())
    torch.testing.assert_close(actual, expected, rtol=1e-6, atol=0)
    weights = torch.linspace(-1, 2, expected.numel(), dtype=torch.float64).view_as(expected)
    for one, other in zip(
        torch.autograd.grad((actual * weights).sum(), leaves),
        torch.autograd.grad((expected * weights).sum(), leaves),
        strict=True,
    ):
        torch.testing.assert_close(one, other, rtol=1e-6, atol=1e-9)


def test_in_float32_too() -> None:
    steps = walk(2)
    single = [Transition(source.detach().float(), target.detach().float()) for source, target in steps]
    actual = replace(WALKER, pieces=100).return_probability(single, cells())
    expected = WALKER.return_probability(steps, cells())
    torch.testing.assert_close(actual.double(), expected.detach(), rtol=2e-5, atol=0)


def test_cells_outside_the_window_have_finite_gradients() -> None:
    """If no window on the way contains the target, the probability is 0, and the gradient is 0 as well."""
    first = walk(1)[0]
    far = torch.zeros(2, HEIGHT * WIDTH, dtype=torch.long)
    certain = 100 * F.one_hot(torch.full((2, HEIGHT * WIDTH), HEIGHT * WIDTH - 1), CHANNELS * 4).double()
    to_last_cell = 100 * F.one_hot(torch.arange(HEIGHT * WIDTH), CHANNELS * 4).double().expand(2, -1, -1)
    steps = [first, Transition(certain.requires_grad_(), to_last_cell.clone().requires_grad_())]
    probability = replace(WALKER, radius=2.0).return_probability(steps, far)
    assert (probability == 0).all()
    (probability + FLOOR).log().sum().backward()
    assert steps[1].source.grad is not None
    assert steps[1].source.grad.isfinite().all()


@pytest.mark.parametrize("radius", [None, 1.5])
def test_flow_is_the_mean_of_a_transition(radius: float | None) -> None:
    (step,) = walk(1)
    matrix = multiplied_out([step], radius).view(2, HEIGHT, WIDTH, HEIGHT, WIDTH)
    x = (matrix.sum(dim=3) * torch.arange(WIDTH)).sum(dim=-1) - torch.arange(WIDTH)
    y = (matrix.sum(dim=4) * torch.arange(HEIGHT)).sum(dim=-1) - torch.arange(HEIGHT)[:, None]
    walker = replace(WALKER, radius=radius, pieces=100)
    cells_apart = walker.flow(step, (HEIGHT, WIDTH))
    torch.testing.assert_close(cells_apart, torch.stack([x, y], dim=1))
    pixels = walker.flow(step, (4 * HEIGHT, 2 * WIDTH))
    corners = cells_apart[:, :, [0, 0, -1, -1], [0, -1, 0, -1]] * torch.tensor([2.0, 4.0])[:, None]
    torch.testing.assert_close(pixels[:, :, [0, 0, -1, -1], [0, -1, 0, -1]], corners)


def test_memory_of_the_backward_pass_does_not_grow_with_the_matrix() -> None:
    """If matrices are processed in pieces, the stored memory is linear in the number of cells."""

    def kept(pieces: int) -> int:
        sizes: list[int] = []
        with torch.autograd.graph.saved_tensors_hooks(lambda x: sizes.append(x.numel()) or x, lambda x: x):  # type: ignore[func-returns-value]
            replace(WALKER, pieces=pieces).return_probability(walk(2), cells())  # at least a row at a time
        return max(sizes)

    matrix = 2 * (HEIGHT * WIDTH) ** 2
    assert kept(ALL_AT_ONCE) == matrix
    assert kept(1) <= matrix * CHANNELS // (HEIGHT * WIDTH)


def test_loss_is_the_mean_over_the_valid_cells_of_each_clip() -> None:
    probability = torch.tensor([[0.5, 0.25, 1.0], [1.0, 0.125, 0.0]])
    valid = torch.tensor([[True, True, False], [False, True, False]])
    loss = walk_loss(probability, Targets(torch.zeros(2, 3, dtype=torch.long), valid))
    torch.testing.assert_close(loss, torch.tensor([1.5, 3.0]) * torch.tensor(2.0).log(), rtol=1e-4, atol=0)


def test_a_clip_without_a_valid_cell_costs_nothing() -> None:
    none = Targets(torch.zeros(1, 2, dtype=torch.long), torch.zeros(1, 2, dtype=torch.bool))
    assert walk_loss(torch.zeros(1, 2), none).tolist() == [0.0]
