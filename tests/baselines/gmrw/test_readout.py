"""Positions from the transition matrix: all ways of computing them agree, and memory is bounded."""

from __future__ import annotations

import math
from typing import Any

import pytest
import torch
from torch import Tensor
from torch.utils._python_dispatch import TorchDispatchMode
from vgmae_baselines.gmrw.readout import (
    Readout,
    around_argmax,
    cell_positions,
    expected_positions,
    expected_rows,
    transition,
)

from vgmae_bench.errors import UsageError

TAU = 16**0.5


def features(height: int = 12, width: int = 20, seed: int = 0) -> tuple[Tensor, Tensor]:
    generator = torch.Generator().manual_seed(seed)
    fa, fb = (2 * torch.randn(2, 16, height, width, generator=generator) for _ in range(2))
    return fa, fb


class Largest(TorchDispatchMode):
    """Records the largest number of elements of a tensor."""

    elements = 0

    def __torch_dispatch__(self, func: Any, types: Any, args: Any = (), kwargs: Any = None) -> Any:
        out = func(*args, **(kwargs or {}))
        if isinstance(out, Tensor):
            self.elements = max(self.elements, out.numel())
        return out


def test_rows_of_the_transition_matrix_are_probabilities_of_matches() -> None:
    fa, fb = features()
    P = transition(fa, fb, TAU)
    assert P.shape == (2, 240, 240)
    torch.testing.assert_close(P.sum(dim=-1), torch.ones(2, 240))
    i, j = (3, 7), (11, 19)
    logits = torch.einsum("bc,bcn->bn", fa[:, :, i[0], i[1]], fb.flatten(2)) / TAU
    torch.testing.assert_close(P[:, i[0] * 20 + i[1], j[0] * 20 + j[1]], logits.softmax(dim=-1)[:, j[0] * 20 + j[1]])


@pytest.mark.parametrize("method", ["weighted_sum", "weighted_argmax", "argmax"])
def test_chunks_of_the_matrix_give_the_result_of_the_whole(method: Any) -> None:
    fa, fb = features()
    P = transition(fa, fb, TAU)
    grid = cell_positions(12, 20).float()
    dense = {
        "weighted_sum": P @ grid,
        "weighted_argmax": around_argmax(P, 20, 3) @ grid,
        "argmax": grid[P.argmax(dim=-1)],
    }[method].view(2, 12, 20, 2)
    for max_bytes in (None, 1, 5000, 1 << 30):
        ours = expected_positions(fa, fb, TAU, Readout(method, 3, max_bytes=max_bytes))
        torch.testing.assert_close(ours, dense, atol=2e-4, rtol=0)


def test_some_rows_equal_those_of_the_whole_matrix() -> None:
    fa, fb = features()
    cells = torch.tensor([239, 0, 17, 17])
    some = expected_rows(fa.flatten(2)[:, :, cells].transpose(1, 2), fb, TAU, Readout(max_bytes=3000))
    every = expected_positions(fa, fb, TAU, Readout()).flatten(1, 2)
    torch.testing.assert_close(some, every[:, cells], atol=1e-5, rtol=0)
    assert expected_rows(fa.new_zeros(2, 0, 16), fb, TAU, Readout(max_bytes=1)).shape == (2, 0, 2)


def test_the_matrix_is_never_stored() -> None:
    fa, fb = features(24, 24)
    bound = 160_000
    for readout, least, most in ((Readout(), 2 * 576**2, 2 * 576**2), (Readout(max_bytes=bound), 0, bound // 4)):
        with Largest() as seen:
            expected_positions(fa, fb, TAU, readout)
        assert least <= seen.elements <= most


def test_gradients_do_not_depend_on_the_parts() -> None:
    fa, fb = features()
    grads = []
    for max_bytes in (None, 4000):
        inputs = fa.clone().requires_grad_()
        expected_positions(inputs, fb, TAU, Readout(max_bytes=max_bytes)).square().sum().backward()
        grads.append(inputs.grad)
    torch.testing.assert_close(grads[1], grads[0], atol=1e-3, rtol=1e-4)


def test_only_cells_around_the_best_one_count() -> None:
    P = torch.zeros(1, 25)
    P[0, [6, 7, 16, 24]] = torch.tensor([0.4, 0.2, 0.1, 0.3])  # (1, 1), (2, 1), (1, 3), (4, 4)
    torch.testing.assert_close(around_argmax(P, 5, 1.5)[0, [6, 7, 16, 24]], torch.tensor([2 / 3, 1 / 3, 0, 0]))
    torch.testing.assert_close(around_argmax(P, 5, 2)[0, [6, 7, 16, 24]], torch.tensor([2 / 3, 1 / 3, 0, 0]))
    torch.testing.assert_close(around_argmax(P, 5, 2.1)[0, [6, 7, 16, 24]], torch.tensor([4, 2, 1, 0]) / 7)
    torch.testing.assert_close(around_argmax(P, 5, 100), P)


def test_half_precision_rounds_positions_beyond_cell_128_to_eighths() -> None:
    """256×256 cells. Each row matches two neighbouring cells; the right one has a share of 0.3."""
    corners = torch.tensor([[200, 40], [131, 200], [20, 3]])
    keys = torch.zeros(3, 256, 256)
    for channel, (column, row) in enumerate(corners.tolist()):
        keys[channel, row, column : column + 2] = torch.tensor([24, 24 + math.log(0.3 / 0.7)])
    rows, wanted = torch.eye(3)[None], corners + torch.tensor([0.3, 0.0])
    exact = expected_rows(rows, keys[None], 1.0, Readout(max_bytes=1 << 20))[0]
    torch.testing.assert_close(exact, wanted, atol=0.01, rtol=0)
    half = expected_rows(rows, keys[None], 1.0, Readout(precision="official_fp16"))[0]
    torch.testing.assert_close(half, wanted, atol=0.2, rtol=0)
    torn, eighth = torch.tensor([0, 1]), torch.tensor(0.125)
    assert (half[torn, 0] % eighth == 0).all()
    assert (exact[torn, 0] % eighth != 0).all()


def test_half_precision_is_for_large_grids_only() -> None:
    fa, fb = features()
    ours = [expected_positions(fa, fb, TAU, Readout(precision=name)) for name in ("fp32", "official_fp16")]  # type: ignore[arg-type]
    assert torch.equal(*ours)


def test_half_precision_features_are_summed_in_single() -> None:
    fa, fb = features()
    ours = expected_positions(fa.bfloat16(), fb.bfloat16(), TAU, Readout())
    assert ours.dtype == torch.float32
    exact = expected_positions(fa.bfloat16().float(), fb.bfloat16().float(), TAU, Readout())
    torch.testing.assert_close(ours, exact)


def test_a_radius_without_any_cell_is_refused() -> None:
    with pytest.raises(UsageError):
        Readout("weighted_argmax", radius=0)
