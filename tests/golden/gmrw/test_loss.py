"""Label warping, the walk's loss, its gradients and the smoothness loss equal those of the official GMRW code."""

from __future__ import annotations

import re
from functools import cache

import numpy as np
import pytest
import torch
from torch import Tensor
from vgmae_baselines.gmrw.network import GMRW, STRIDE, NetworkConfig
from vgmae_baselines.gmrw.pretraining import warp
from vgmae_baselines.gmrw.pretraining.smoothness import EDGE, smoothness_loss
from vgmae_baselines.gmrw.pretraining.walk import Transition, Walker, walk_loss
from vgmae_baselines.gmrw.pretraining.warp import Targets

from tests.golden import goldens
from tests.golden.gmrw.test_network import network_config
from tests.golden.goldens import Golden

FILES = goldens.each("gmrw_loss*.npz")


def _size(file: Golden) -> tuple[int, int]:
    """Height and width of the frames, pixels."""
    height, width = file["frames_u8"].shape[2:4]
    return height, width


def _grid(file: Golden) -> tuple[int, int]:
    """Height and width of the lattice, cells; not always square."""
    height, width = (side // STRIDE for side in _size(file))
    assert height * width == file["label"].shape[1]
    return height, width


def _matrix(file: Golden) -> Tensor:
    """Between cells, of the golden's map between normalised coordinates, in which the last cell is at 1."""
    theta = file.tensor("theta").double()
    height, width = _grid(file)
    half = torch.tensor([width - 1, height - 1], dtype=torch.float64) / 2
    linear = theta[:, :, :2] * half[:, None] / half
    shift = half * (theta[:, :, 2] + 1 - theta[:, :, :2].sum(dim=2))
    return torch.cat([linear, shift[:, :, None]], dim=2)


@pytest.mark.parametrize("file", FILES)
def test_exact_positions(file: Golden) -> None:
    file.close("exact_xy", warp.warp_cells(_matrix(file), *_grid(file)), atol=2e-5)


@pytest.mark.parametrize("file", FILES)
def test_official_labels_are_reproduced_with_their_border_errors(file: Golden) -> None:
    targets = warp.official(_matrix(file), *_grid(file))
    file.close("label", targets.cell)
    file.close("mask", targets.valid)
    assert targets.valid.double().mean().item() == pytest.approx(file.entry["masked_fraction"])


@pytest.mark.parametrize("file", FILES)
def test_analytic_labels_differ_only_at_official_border_errors(file: Golden) -> None:
    targets = warp.analytic(_matrix(file), *_grid(file))
    right = targets.valid.numpy() & (targets.cell.numpy() == file["label"])
    differs = file["mask"].astype(bool) & ~right
    file.close("border_bug", differs)
    assert differs.sum() == file.entry["border_bug_cells"]


@cache
def _model(file: Golden) -> GMRW:
    """The released architecture, or what INDEX.json says of it."""
    model = GMRW(network_config(file.constructor))
    file.fill_by_rule(model)
    return model


def _frames(file: Golden) -> Tensor:
    """float [B, 4, 3, H, W] in [0, 1]: outgoing 1 and 2, returning 2 and 1."""
    return file.tensor("frames_u8").permute(0, 1, 4, 2, 3).float() / 255


def _walk(file: Golden) -> tuple[list[Transition], Targets]:
    """From the first frame over the second to the first as it was cropped for the way back."""
    model, frames = _model(file), _frames(file)[:, [0, 1, 3]]
    mean, std = (torch.tensor(values).view(3, 1, 1) for values in (goldens.IMAGENET_MEAN, goldens.IMAGENET_STD))
    features = model.backbone_features(((frames - mean) / std).flatten(0, 1)).unflatten(0, (-1, 3))
    pairs = [model.match(features[:, t], features[:, t + 1]) for t in range(2)]
    walk = [Transition(a.flatten(2).mT, b.flatten(2).mT) for a, b in pairs]
    return walk, Targets(file.tensor("label").long(), file.tensor("mask").bool())


def _walker(file: Golden, radius: float | None = None) -> Walker:
    """It works on several pieces of the matrices, of a few rows each."""
    cells = file["label"].size
    return Walker(*_grid(file), _model(file).config.temperature, radius, pieces=cells * 70)


def _over_the_batch(per_clip: Tensor, targets: Targets) -> Tensor:
    """The mean over all valid cells, as in the official code, of means over those of each clip."""
    cells = targets.valid.sum(dim=1)
    return (per_clip * cells).sum() / cells.sum()


def _smoothness(file: Golden, walk: list[Transition]) -> Tensor:
    assert file.constructor["smoothness_edge_constant"] == EDGE
    frames = _frames(file)[:, [0, 1]] * 2 - 1
    flows = [_walker(file).flow(step, _size(file)) for step in walk]
    return torch.stack([smoothness_loss(flow, frames[:, t]) for t, flow in enumerate(flows)]).mean()


def _check_norms(file: Golden, norms: str) -> None:
    gradients = {name: parameter.grad for name, parameter in _model(file).named_parameters()}
    actual = [gradients[name].norm().item() for name in file.entry["param_order"]]  # type: ignore[union-attr]
    rounding = 1e-5 * file[norms].max()
    file.close(norms, np.array(actual), rtol=file.tolerance("grad", "<"), atol=rounding)


def _check_gradient(file: Golden, array: str) -> None:
    """ "grad.conv1" is that of the first convolution, "grad.l5.q" that of the queries of block 5."""
    block = re.fullmatch(r"grad\.l(\d+)\.q", array)
    name = f"transformer.layers.{block[1]}.cross_attn_ffn.q_proj.weight" if block else "backbone.conv1.weight"
    gradient = _model(file).get_parameter(name).grad
    assert gradient is not None and (block or array == "grad.conv1")
    assert gradient.shape == file[array].shape
    error = np.linalg.norm(gradient.numpy() - file[array]) / np.linalg.norm(file[array])
    assert error < file.tolerance("grad", "<"), array
    # One wrong value of many must show too: none is off by a hundredth of the largest.
    file.close(array, gradient, atol=0.01 * np.abs(file[array]).max())


@pytest.mark.parametrize("file", FILES)
def test_loss_and_gradients_of_the_walk(file: Golden) -> None:
    _model(file).zero_grad()
    walk, targets = _walk(file)
    probability = _walker(file).return_probability(walk, targets.cell)
    loss = _over_the_batch(walk_loss(probability, targets), targets)
    loss.backward()
    file.close("p_label", probability, atol=file.tolerance("p_label"))
    for name in ("crw.loss", "cycle_loss"):
        file.close(name, loss.detach()[None], rtol=file.tolerance("loss", "rtol"))
    _check_norms(file, "crw.grad_norms")
    for array in sorted(name for name in file.stored if name.startswith("grad.")):
        _check_gradient(file, array)


@pytest.mark.parametrize("file", FILES)
def test_loss_and_gradients_with_smoothness(file: Golden) -> None:
    _model(file).zero_grad()
    walk, targets = _walk(file)
    smoothness = _smoothness(file, walk)
    file.close("smoothness_loss", smoothness.detach()[None], rtol=file.tolerance("smoothness", "rtol"))
    loss = _over_the_batch(walk_loss(_walker(file).return_probability(walk, targets.cell), targets), targets)
    loss = loss + file.setting("full.loss", "smoothness weight ") * smoothness
    loss.backward()
    file.close("full.loss", loss.detach()[None], rtol=file.tolerance("loss", "rtol"))
    _check_norms(file, "full.grad_norms")


@pytest.mark.parametrize("file", FILES)
def test_loss_of_the_windowed_walk(file: Golden) -> None:
    name = "crw_weighted_argmax.loss"
    walk, targets = _walk(file)
    with torch.no_grad():
        walker = _walker(file, file.setting(name, "window_threshold "))
        loss = _over_the_batch(walk_loss(walker.return_probability(walk, targets.cell), targets), targets)
    file.close(name, loss[None], rtol=file.tolerance("loss", "rtol"))


@pytest.mark.parametrize("file", FILES)
def test_the_accuracy_of_the_walk_equals_the_official_one(file: Golden) -> None:
    """The official accuracy: of the whole product of the two matrices."""
    walk, targets = _walk(file)
    tau = _model(file).config.temperature
    with torch.no_grad():
        there, back = ((step.source @ step.target.mT / tau).softmax(dim=-1) for step in walk)
        hits = (there @ back).argmax(dim=-1) == targets.cell
    percent = 100 * hits[targets.valid].double().mean()
    file.close("accuracy", percent[None], atol=file.tolerance("accuracy", "within "))


def test_the_released_architecture_is_the_default() -> None:
    assert network_config({}) == NetworkConfig()
