"""Points that follow a known flow: chained and direct, forward and backward, visible and hidden."""

from __future__ import annotations

import math
from collections.abc import Callable

import numpy as np
import pytest
import torch
from torch import Tensor
from vgmae_baselines.gmrw.flow import Flow, FlowMap, Flows
from vgmae_baselines.gmrw.follow import Points, chain, direct
from vgmae_baselines.gmrw.lattice import Lattice

from tests.baselines.gmrw.published import sample

SIZE = (30, 40)
FRAMES = 7


def points(count: int = 60, seed: int = 0) -> Points:
    generator = torch.Generator().manual_seed(seed)
    frame = torch.randint(FRAMES, (count,), generator=generator)
    return Points(frame.numpy(), torch.rand(count, 2, generator=generator) * torch.tensor([40.0, 30.0]))


def random_flow(seed: int, scale: float = 2.0) -> Tensor:
    """[H, W, 2], smooth enough for some points to return and some not."""
    coarse = torch.randn(1, 2, 4, 5, generator=torch.Generator().manual_seed(seed)) * scale
    return torch.nn.functional.interpolate(coarse, SIZE, mode="bicubic")[0].permute(1, 2, 0)


def of_pixels(values: Tensor) -> FlowMap:
    return FlowMap(values.flatten(0, 1), Lattice(SIZE, SIZE, flow_grid="official", pixel_convention="index"))


def constant(x: float, y: float) -> Flow:
    return lambda at: at.new_tensor([x, y]).expand_as(at)


def loops(forward: list[Tensor], backward: list[Tensor], queries: Points, threshold: float) -> tuple[Tensor, Tensor]:
    """The published procedure as loops over points: one for positions, and one for each direction of the check."""
    count = len(queries.xy)
    path, visible = torch.zeros(count, FRAMES, 2), torch.ones(count, FRAMES, dtype=torch.bool)
    for n, (start, xy) in enumerate(zip(queries.frame.tolist(), queries.xy, strict=True)):
        path[n, start] = xy
        for t in range(start + 1, FRAMES):
            path[n, t] = path[n, t - 1] + sample(forward[t - 1], path[n, t - 1])
        for t in range(start - 1, -1, -1):
            path[n, t] = path[n, t + 1] + sample(backward[t], path[n, t + 1])
        errors = [
            sample(forward[t], path[n, t]) + sample(backward[t], path[n, t + 1]) for t in range(FRAMES - 1)
        ]  # the same whichever way the point came
        for t in range(1, FRAMES):
            visible[n, t] &= bool(errors[t - 1].norm() < threshold)
        for t in range(FRAMES - 2, -1, -1):
            visible[n, t] &= bool(errors[t].norm() < threshold)
        for t in range(FRAMES):
            x, y = path[n, t].tolist()
            visible[n, t] &= 0 <= x < SIZE[1] and 0 <= y < SIZE[0]
        visible[n, start] = True
    return path, visible


def test_chaining_and_visibility_equal_reference_loops() -> None:
    forward = [random_flow(t) for t in range(FRAMES - 1)]
    backward = [-forward[t] + random_flow(100 + t, 0.8) for t in range(FRAMES - 1)]
    asked: list[tuple[int, int]] = []

    def flows(a: int, b: int) -> Flows:
        asked.append((a, b))
        return Flows(of_pixels(forward[a]), of_pixels(backward[a]))

    found = chain(flows, FRAMES, points(), SIZE, 1.5)
    xy, visible = loops(forward, backward, points(), 1.5)
    torch.testing.assert_close(found.xy, xy, atol=1e-4, rtol=0)
    assert torch.equal(found.visible, visible)
    assert 0.2 < visible.float().mean() < 0.8
    assert all(b == a + 1 for a, b in asked)


def test_flow_is_computed_only_at_tracked_points() -> None:
    asked: list[int] = []

    def flows(a: int, b: int) -> Flows:
        asked.append(a)
        return Flows(constant(0, 0), constant(0, 0))

    chain(flows, FRAMES, Points(np.array([3, 5]), torch.ones(2, 2)), SIZE, 1)
    assert asked == [3, 4, 5, 4, 3, 2, 1, 0]
    asked.clear()
    chain(flows, FRAMES, Points(np.array([0]), torch.ones(1, 2)), SIZE, 1)
    assert asked == list(range(FRAMES - 1))


@pytest.mark.parametrize("follow", [chain, direct])
def test_an_empty_set_of_points_needs_no_flow(follow: Callable[..., tuple[Tensor, Tensor]]) -> None:
    def flows(a: int, b: int) -> Flows:
        raise AssertionError("no flow is needed")

    none = Points(np.zeros(0, dtype=np.int64), torch.zeros(0, 2))
    assert [part.shape for part in follow(flows, FRAMES, none, SIZE, 1)] == [(0, FRAMES, 2), (0, FRAMES)]
    xy, visible = follow(flows, 1, Points(np.array([0]), torch.tensor([[3.0, 4.0]])), SIZE, 1)
    assert xy.tolist() == [[[3, 4]]] and visible.all()


def test_direct_matching_uses_each_frame_pair_once_for_both_directions() -> None:
    asked: list[tuple[int, int]] = []

    def flows(a: int, b: int) -> Flows:
        asked.append((a, b))
        return Flows(constant(b - a, 0), constant(a - b, 0))

    queries = Points(np.array([2, 5, 2]), torch.tensor([[10.0, 10], [20, 10], [38.5, 10]]))
    xy, visible = direct(flows, FRAMES, queries, SIZE, 0.5)
    expected = queries.xy[:, None, 0] + torch.arange(FRAMES) - torch.from_numpy(queries.frame)[:, None]
    assert torch.equal(xy[..., 0], expected)
    assert torch.equal(visible, expected < 40)
    pairs = {frozenset(pair) for pair in asked}
    assert len(asked) == len(pairs) == 2 * (FRAMES - 1) - 1


def test_direct_matching_hides_points_without_cycle_consistency() -> None:
    def flows(a: int, b: int) -> Flows:
        return Flows(constant(1, 0), constant(-1, 0.3 * abs(a - b)))

    queries = Points(np.array([0]), torch.tensor([[10.0, 10.0]]))
    assert direct(flows, 4, queries, SIZE, 0.5).visible.tolist() == [[True, True, False, False]]
    assert direct(flows, 4, queries, SIZE, math.inf).visible.all()


def test_a_failed_step_hides_both_its_frames_but_not_the_query() -> None:
    def flows(a: int, b: int) -> Flows:
        return Flows(constant(0, 0), constant(9.0 if a == 3 else 0, 0))

    queries = Points(np.array([0, 3]), torch.full((2, 2), 10.0))
    visible = chain(flows, FRAMES, queries, SIZE, 3).visible
    assert visible[0].tolist() == [True, True, True, False, False, True, True]
    assert visible[1].tolist()[3:] == [True, False, True, True]
