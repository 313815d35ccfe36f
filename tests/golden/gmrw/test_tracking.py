"""Chaining, direct matching and visibility equal those of the official GMRW code on given flow."""

from __future__ import annotations

import math
from collections.abc import Callable

import numpy as np
import pytest
import torch
from torch import Tensor
from vgmae_baselines.gmrw.flow import FlowMap, Flows
from vgmae_baselines.gmrw.follow import Paths, Points, chain, direct
from vgmae_baselines.gmrw.lattice import Lattice

from tests.golden import goldens
from tests.golden.goldens import Golden

FILES = goldens.each("gmrw_track*.npz")


def size(file: Golden) -> tuple[int, int]:
    """Height and width of the frames."""
    return file.constructor["H"], file.constructor["W"]


def flow(file: Golden, name: str, t: int) -> Callable[[Tensor], Tensor]:
    """Flow of a golden, given at every pixel: the cells are the pixels."""
    lattice = Lattice(size(file), size(file), flow_grid="official", pixel_convention="index")
    return FlowMap(file.tensor(name)[t].flatten(0, 1), lattice)


def queries(file: Golden) -> Points:
    tyx = file.tensor("query_tyx")
    return Points(tyx[:, 0].long().numpy(), tyx[:, [2, 1]])


def check(file: Golden, prefix: str, paths: Paths) -> None:
    file.close(f"{prefix}tracks", paths.xy.transpose(0, 1), atol=file.tolerance("tracks"))
    file.close(f"{prefix}visible", paths.visible.T)


def chained(file: Golden) -> Paths:
    def flows(a: int, b: int) -> Flows:
        assert b == a + 1
        return Flows(flow(file, "forward_flows", a), flow(file, "backward_flows", a))

    return chain(flows, file.constructor["T"], queries(file), size(file), file.constructor["threshold_px"])


@pytest.mark.parametrize("file", FILES)
def test_sampling(file: Golden) -> None:
    ours = flow(file, "forward_flows", 0)(file.tensor("sample_xy"))
    file.close("sample_value", ours, atol=file.tolerance("sample"))


@pytest.mark.parametrize("file", FILES)
def test_chained_tracking(file: Golden) -> None:
    check(file, "", chained(file))


@pytest.mark.parametrize("file", FILES)
def test_cycle_consistency_equals_the_official_code(file: Golden) -> None:
    """The distance on which visibility hangs."""
    xy = chained(file).xy
    off = []
    for t in range(file.constructor["T"] - 1):
        there = flow(file, "forward_flows", t)(xy[:, t])
        off.append((there + flow(file, "backward_flows", t)(xy[:, t + 1])).norm(dim=1))
    file.close("cycle_distance", torch.stack(off), atol=10 * file.tolerance("tracks"))


@pytest.mark.parametrize("file", FILES)
def test_direct_tracking(file: Golden) -> None:
    """The golden's flow from a query's frame depends on the other frame alone."""

    def flows(a: int, b: int) -> Flows:
        return Flows(flow(file, "direct_flows", b), flow(file, "direct_flows", a))

    check(file, "direct_", direct(flows, file.constructor["T"], queries(file), size(file), math.inf))


@pytest.mark.parametrize("name", ["tracks", "direct_tracks"])
@pytest.mark.parametrize("file", FILES)
def test_tracks_start_at_their_queries(file: Golden, name: str) -> None:
    frame, xy = queries(file)
    np.testing.assert_array_equal(file[name][frame, np.arange(len(frame))], xy.numpy())
