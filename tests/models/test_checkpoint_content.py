"""Weights are found in all forms of checkpoints."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import numpy as np
import pytest
import torch
from safetensors.torch import save_file
from torch import Tensor

from vgmae_bench.errors import WeightsError
from vgmae_bench.models.checkpoint_content import load_checkpoint

WEIGHTS = {"blocks.0.weight": torch.arange(6.0).reshape(2, 3), "norm.bias": torch.ones(2)}


def named(prefix: str) -> dict[str, Tensor]:
    return {prefix + name: value for name, value in WEIGHTS.items()}


@pytest.mark.parametrize(
    "content",
    [
        WEIGHTS,
        {"model": WEIGHTS, "epoch": 3},
        {"module": WEIGHTS, "ds_version": "0.7"},
        {"state_dict": named("model.")},
        {"model_state": named("module.")},
        {"model_state_dict": named("_orig_mod.")},
        {"model": named("module._orig_mod.")},
        {"model": named("_orig_mod.module.model.")},
        {"model": {**WEIGHTS, "_extra_state": None, "norm._extra_state": {"a": 1}}},
        {"model": {name: torch.nn.Parameter(value) for name, value in WEIGHTS.items()}},
        {"model_ema": WEIGHTS},
        {"model": WEIGHTS, "state_dict_ema": {name: value + 1 for name, value in WEIGHTS.items()}},
    ],
    ids=str,
)
def test_every_wrapping_gives_the_same_weights(content: Any, tmp_path: Path) -> None:
    torch.save(content, tmp_path / "a.ckpt")
    same(load_checkpoint(tmp_path / "a.ckpt"))


def same(found: dict[str, Tensor]) -> None:
    assert found.keys() == WEIGHTS.keys()
    assert all(torch.equal(found[name], value) for name, value in WEIGHTS.items())


def test_every_format_gives_the_same_weights(tmp_path: Path) -> None:
    save_file(named("encoder."), tmp_path / "a.safetensors")
    np.savez(tmp_path / "a.npz", **{name: value.numpy() for name, value in named("encoder.").items()})
    for name in ("a.safetensors", "a.npz"):
        same(load_checkpoint(tmp_path / name, strip=("encoder.",)))
        assert load_checkpoint(tmp_path / name).keys() == named("encoder.").keys()


def test_a_prefix_missing_in_some_names_is_kept(tmp_path: Path) -> None:
    torch.save({**named("model."), "head.weight": torch.ones(1)}, tmp_path / "a.pt")
    assert load_checkpoint(tmp_path / "a.pt").keys() == {*named("model."), "head.weight"}


def test_shared_tensors_are_copied(tmp_path: Path) -> None:
    whole = torch.arange(4.0)
    torch.save({"a": whole[:2], "b": whole[2:], "c": whole}, tmp_path / "a.pt")
    found = load_checkpoint(tmp_path / "a.pt")
    assert len({value.untyped_storage().data_ptr() for value in found.values()}) == 3


@pytest.mark.parametrize("value", [float("nan"), float("inf")])
def test_non_finite_weights_are_named(value: float, tmp_path: Path) -> None:
    broken = WEIGHTS["blocks.0.weight"].clone()
    broken[0, 1] = value
    torch.save({**WEIGHTS, "blocks.0.weight": broken}, tmp_path / "a.pt")
    with pytest.raises(WeightsError, match="NaN or infinite") as error:
        load_checkpoint(tmp_path / "a.pt")
    assert "blocks.0.weight (1 of 6)" in error.value.why


@pytest.mark.parametrize("content", [[1], {"epoch": 1}, {"model": {}}, {"model": {"a": "b"}}])
def test_a_file_without_weights(content: Any, tmp_path: Path) -> None:
    torch.save(content, tmp_path / "a.pt")
    with pytest.raises(WeightsError, match="holds no state dict"):
        load_checkpoint(tmp_path / "a.pt")
