"""Chaining, direct matching and visibility equal those of the official GMRW code on given flow."""

from __future__ import annotations

import math
import re
from collections.abc import Callable

import numpy as np
import pytest
import torch
from torch import Tensor
from vgmae_baselines.gmrw.flow import FlowMap, Flows
from vgmae_baselines.gmrw.follow import Paths, Points, chain, direct
from vgmae_baselines.gmrw.lattice import Lattice

from tests.golden import goldens

FILE = "gmrw_track.npz"
STORED = goldens.arrays(FILE)
CONSTRUCTOR = goldens.entry(FILE)["constructor"]
SIZE = (CONSTRUCTOR["H"], CONSTRUCTOR["W"])


def flow(name: str, t: int) -> Callable[[Tensor], Tensor]:
    """Flow of a golden, given at every pixel: the cells are the pixels."""
    values = torch.from_numpy(STORED[name][t])
    return FlowMap(values.flatten(0, 1), Lattice(SIZE, SIZE, flow_grid="official", pixel_convention="index"))


def queries() -> Points:
    tyx = torch.from_numpy(STORED["query_tyx"])
    return Points(tyx[:, 0].long(), tyx[:, [2, 1]])


def tolerance(name: str) -> float:
    found = re.search(r"atol ([\d.e-]+)", goldens.entry(FILE)["tolerance"][name])
    assert found
    return float(found[1])


def check(prefix: str, paths: Paths) -> None:
    xy, visible = paths.xy.transpose(0, 1).numpy(), paths.visible.T.numpy()
    np.testing.assert_allclose(xy, STORED[f"{prefix}tracks"], atol=tolerance("tracks"), rtol=0)
    np.testing.assert_array_equal(visible, STORED[f"{prefix}visible"].astype(bool))


def test_sampling() -> None:
    ours = flow("forward_flows", 0)(torch.from_numpy(STORED["sample_xy"]))
    np.testing.assert_allclose(ours.numpy(), STORED["sample_value"], atol=tolerance("sample"), rtol=0)


def test_chained_tracking() -> None:
    def flows(a: int, b: int) -> Flows:
        assert b == a + 1
        return Flows(flow("forward_flows", a), flow("backward_flows", a))

    check("", chain(flows, CONSTRUCTOR["T"], queries(), SIZE, CONSTRUCTOR["threshold_px"]))


def test_direct_tracking() -> None:
    """The golden's flow from a query's frame depends on the other frame alone."""

    def flows(a: int, b: int) -> Flows:
        return Flows(flow("direct_flows", b), flow("direct_flows", a))

    check("direct_", direct(flows, CONSTRUCTOR["T"], queries(), SIZE, math.inf))


@pytest.mark.parametrize("name", ["tracks", "direct_tracks"])
def test_queries_stay_where_they_were_asked(name: str) -> None:
    frame, xy = queries()
    np.testing.assert_array_equal(STORED[name][frame, np.arange(len(frame))], xy.numpy())
