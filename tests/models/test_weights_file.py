"""Weights files: equal weights give equal bytes, whatever their configuration holds."""

from __future__ import annotations

from pathlib import Path

import pytest
import torch

from vgmae_bench.models.weights_file import load_weights, save_weights


@pytest.mark.parametrize("note", ["plain", 'quoted " and \\ and \n', "été 日本 \x7f"])
def test_equal_weights_give_equal_bytes(tmp_path: Path, note: str) -> None:
    tensors = {"b.é": torch.arange(6.0).reshape(2, 3), "a": torch.ones(5, dtype=torch.bfloat16)}
    contents = set()
    for number in range(12):  # by chance, the order of the library would be the same in one of 300 million trials
        save_weights(tmp_path / f"{number}.safetensors", tensors, "kind", {"network": {"note": note}})
        contents.add((tmp_path / f"{number}.safetensors").read_bytes())
    assert len(contents) == 1
    read = load_weights(tmp_path / "0.safetensors", method="videogmae", kinds=["kind"])
    assert read.config == {"network": {"note": note}}
    assert all(torch.equal(read.tensors[name], value) for name, value in tensors.items())
