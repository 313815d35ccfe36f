"""Label warping, the walk's loss, its gradients and the smoothness loss equal those of the official GMRW code."""

from __future__ import annotations

import math
import re
from functools import cache

import numpy as np
import pytest
import torch
from torch import Tensor
from vgmae_baselines.gmrw.network import GMRW, NetworkConfig
from vgmae_baselines.gmrw.pretraining import warp
from vgmae_baselines.gmrw.pretraining.smoothness import smoothness_loss
from vgmae_baselines.gmrw.pretraining.walk import Transition, Walker, walk_loss
from vgmae_baselines.gmrw.pretraining.warp import Targets

from tests.golden import goldens

FILE = "gmrw_loss.npz"
GRID = math.isqrt(goldens.entry(FILE)["arrays"]["label"]["shape"][1])


def _tolerance(name: str) -> float:
    """Of INDEX.json: "rtol 2e-4", "relative L2 < 2e-3"."""
    return float(goldens.entry(FILE)["tolerance"][name].split()[-1])


def _setting(array: str, name: str) -> float:
    """The value after `name` in INDEX.json's description of an array."""
    found = re.search(rf"{name} ([\d.]+)", goldens.entry(FILE)["arrays"][array]["what"])
    assert found
    return float(found[1])


def _matrix() -> Tensor:
    """Between cells, of the golden's map between normalised coordinates, in which the last cell is at 1."""
    theta = torch.from_numpy(goldens.arrays(FILE)["theta"]).double()
    half = (GRID - 1) / 2
    shift = half * (theta[:, :, 2] + 1 - theta[:, :, :2].sum(dim=2))
    return torch.cat([theta[:, :, :2], shift[:, :, None]], dim=2)


def test_exact_positions() -> None:
    exact = warp.warp_cells(_matrix(), GRID, GRID)
    np.testing.assert_allclose(exact.numpy(), goldens.arrays(FILE)["exact_xy"], atol=1e-5)


def test_official_labels_slips_at_the_border_included() -> None:
    data = goldens.arrays(FILE)
    targets = warp.official(_matrix(), GRID, GRID)
    assert np.array_equal(targets.cell.numpy(), data["label"])
    assert np.array_equal(targets.valid.numpy(), data["mask"].astype(bool))


def test_analytic_labels_differ_only_where_the_official_ones_slip() -> None:
    data = goldens.arrays(FILE)
    targets = warp.analytic(_matrix(), GRID, GRID)
    differs = (targets.cell.numpy() != data["label"]) & data["mask"].astype(bool)
    assert np.array_equal(differs, data["border_bug"].astype(bool))
    assert differs.sum() == goldens.entry(FILE)["border_bug_cells"]


@cache
def _model() -> GMRW:
    """The released architecture."""
    model = GMRW(NetworkConfig())
    goldens.fill_by_rule(model, FILE)
    return model


def _frames() -> Tensor:
    """float [B, 4, 3, H, W] in [0, 1]: outgoing 1 and 2, returning 2 and 1."""
    return torch.from_numpy(goldens.arrays(FILE)["frames_u8"]).permute(0, 1, 4, 2, 3).float() / 255


def _walk() -> tuple[list[Transition], Targets]:
    """From the first frame over the second to the first as it was cropped for the way back."""
    data, frames = goldens.arrays(FILE), _frames()[:, [0, 1, 3]]
    mean, std = (torch.tensor(values).view(3, 1, 1) for values in (goldens.IMAGENET_MEAN, goldens.IMAGENET_STD))
    features = _model().backbone_features(((frames - mean) / std).flatten(0, 1)).unflatten(0, (-1, 3))
    pairs = [_model().match(features[:, t], features[:, t + 1]) for t in range(2)]
    walk = [Transition(a.flatten(2).mT, b.flatten(2).mT) for a, b in pairs]
    return walk, Targets(torch.from_numpy(data["label"]).long(), torch.from_numpy(data["mask"]).bool())


def _walker(radius: float | None = None) -> Walker:
    return Walker(GRID, GRID, _model().config.temperature, radius, pieces=2**15)  # several pieces


def _over_the_batch(per_clip: Tensor, targets: Targets) -> Tensor:
    """The mean over all valid cells, as in the official code, of means over those of each clip."""
    cells = targets.valid.sum(dim=1)
    return (per_clip * cells).sum() / cells.sum()


def _smoothness(walk: list[Transition]) -> Tensor:
    frames = _frames()[:, [0, 1]] * 2 - 1
    flows = [_walker().flow(step, (frames.shape[-2], frames.shape[-1])) for step in walk]
    return torch.stack([smoothness_loss(flow, frames[:, t]) for t, flow in enumerate(flows)]).mean()


def _assert_gradients(norms: str) -> None:
    expected = goldens.arrays(FILE)[norms]
    gradients = dict(_model().named_parameters())
    actual = [gradients[name].grad.norm().item() for name in goldens.entry(FILE)["param_order"]]  # type: ignore[union-attr]
    np.testing.assert_allclose(actual, expected, rtol=_tolerance("grad"), atol=1e-5 * expected.max())


def test_loss_and_gradients_of_the_walk() -> None:
    data = goldens.arrays(FILE)
    _model().zero_grad()
    walk, targets = _walk()
    probability = _walker().return_probability(walk, targets.cell)
    loss = _over_the_batch(walk_loss(probability, targets), targets)
    loss.backward()
    np.testing.assert_allclose(probability.detach().numpy(), data["p_label"], atol=_tolerance("p_label"))
    assert loss.item() == pytest.approx(data["crw.loss"].item(), rel=_tolerance("loss"))
    _assert_gradients("crw.grad_norms")
    for name, array in (
        ("backbone.conv1.weight", "grad.conv1"),
        ("transformer.layers.5.cross_attn_ffn.q_proj.weight", "grad.l5.q"),
    ):
        gradient = _model().get_parameter(name).grad
        assert gradient is not None
        error = np.linalg.norm(gradient.numpy() - data[array]) / np.linalg.norm(data[array])
        assert error < _tolerance("grad")


def test_loss_and_gradients_with_smoothness() -> None:
    data = goldens.arrays(FILE)
    _model().zero_grad()
    walk, targets = _walk()
    smoothness = _smoothness(walk)
    assert smoothness.item() == pytest.approx(data["smoothness_loss"].item(), rel=_tolerance("smoothness"))
    loss = _over_the_batch(walk_loss(_walker().return_probability(walk, targets.cell), targets), targets)
    loss = loss + _setting("full.loss", "smoothness weight") * smoothness
    loss.backward()
    assert loss.item() == pytest.approx(data["full.loss"].item(), rel=_tolerance("loss"))
    _assert_gradients("full.grad_norms")


def test_loss_of_the_windowed_walk() -> None:
    name = "crw_weighted_argmax.loss"
    walk, targets = _walk()
    with torch.no_grad():
        probability = _walker(_setting(name, "window_threshold")).return_probability(walk, targets.cell)
        loss = _over_the_batch(walk_loss(probability, targets), targets)
    assert loss.item() == pytest.approx(goldens.arrays(FILE)[name].item(), rel=_tolerance("loss"))
