"""Tensors cached on a device, and the size of chunks. Neither changes predictions."""

from __future__ import annotations

from typing import Any

import numpy as np
import pytest
import torch

from tests.models.test_synchronising import TRACKERS, queries, videogmae
from vgmae_bench import devices
from vgmae_bench.devices import MOST, ON_CPU, at_once, constant, piece_bytes, placed, to_device

CUDA, CPU = torch.device("cuda", 0), torch.device("cpu")


def memory(monkeypatch: pytest.MonkeyPatch, free: int, reserved: int = 0, allocated: int = 0) -> None:
    """Simulated memory of a GPU."""
    monkeypatch.setattr(torch.cuda, "mem_get_info", lambda device: (free, 2 * free))
    monkeypatch.setattr(torch.cuda, "memory_reserved", lambda device: reserved)
    monkeypatch.setattr(torch.cuda, "memory_allocated", lambda device: allocated)


def test_a_piece_is_a_quarter_of_free_memory_up_to_a_limit(monkeypatch: pytest.MonkeyPatch) -> None:
    memory(monkeypatch, free=800, reserved=700, allocated=300)
    assert piece_bytes(CUDA) == 300
    assert [at_once(size, CUDA) for size in (1, 100, 301, 0)] == [300, 3, 1, 300]
    memory(monkeypatch, free=100 * MOST)
    assert piece_bytes(CUDA) == MOST
    assert piece_bytes(CPU) == ON_CPU


def test_constants_are_copied_once_and_serve_training_after_tracking() -> None:
    weight = torch.ones(2, requires_grad=True)
    with torch.inference_mode():
        made = constant((0.1, 0.7), torch.zeros(1))
    assert made is constant((0.1, 0.7), torch.zeros(3, 4))
    (weight * made).sum().backward()
    assert weight.grad is not None
    assert torch.equal(weight.grad, torch.tensor([0.1, 0.7]))
    exact = constant((0.1, 0.7), torch.zeros(1, dtype=torch.float64))
    assert torch.equal(exact, torch.tensor([0.1, 0.7], dtype=torch.float64))


def test_placed_tensors_are_computed_once() -> None:
    calls: list[int] = []

    def make(count: int) -> torch.Tensor:
        calls.append(count)
        return torch.arange(count)

    assert placed(make, 3, device=CPU) is placed(make, 3, device=CPU)
    assert torch.equal(placed(make, 4, device=CPU), torch.arange(4))
    assert calls == [3, 4]


@pytest.mark.gpu
def test_copies_to_a_gpu_hold_the_values() -> None:
    values = torch.rand(1000, 1000)
    there = to_device(values, torch.device("cuda"))
    values.zero_()  # the copy is of before
    assert there.cpu().mean() > 0.4


@pytest.mark.parametrize("piece", [1, 3000, 10**9])
@pytest.mark.parametrize(
    "name", ["videogmae", "videogmae: features", "videogmae: both propagations", "videogmae: readout"]
)
def test_answers_do_not_depend_on_the_size_of_pieces(name: str, piece: int, monkeypatch: pytest.MonkeyPatch) -> None:
    """Except for rounding, because matrix products of other shapes sum in another order."""
    assert _spread(TRACKERS[name], piece, monkeypatch) < 1e-3


def test_a_requested_number_of_points_overrides_the_memory_limit(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(devices, "piece_bytes", lambda device: pytest.fail("memory was asked for"))
    videogmae(points_per_batch=2)("cpu").track(_frames(), queries())


def _frames() -> np.ndarray[Any, np.dtype[np.uint8]]:
    return np.random.default_rng(1).integers(0, 256, (4, 24, 24, 3), dtype=np.uint8)


def _spread(make: Any, piece: int, monkeypatch: pytest.MonkeyPatch) -> float:
    """The largest difference of tracks in pixels with chunks of this size."""
    tracker = make("cpu")
    usual = tracker.track(_frames(), queries())
    monkeypatch.setattr(devices, "piece_bytes", lambda device: piece)
    other = tracker.track(_frames(), queries())
    assert (other.visible == usual.visible).all()
    return float(np.abs(other.xy - usual.xy).max())
