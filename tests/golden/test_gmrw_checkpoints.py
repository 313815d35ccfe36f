"""Official containers: what the importer makes of them gives the official outputs, and nothing in them is executed."""

from __future__ import annotations

import argparse
import os
import zlib
from pathlib import Path

import numpy as np
import pytest
import torch
from vgmae_baselines.gmrw.checkpoint import load_model
from vgmae_baselines.gmrw.network import GMRW, NetworkConfig
from vgmae_baselines.gmrw.release import import_weights

from tests.golden import goldens
from tests.golden.test_gmrw_network import FILES, close, prepare
from vgmae_bench.errors import UntrustedFileError

EVIL = sorted(name for name in goldens.index()["files"] if name.startswith("evil_"))


def test_every_tensor_of_a_released_container_arrives(tmp_path: Path) -> None:
    """All values of each tensor of this file are one number, made from its name."""
    import_weights(goldens.FOLDER / "gmrw_container_const.pth", tmp_path / "out.safetensors", {})
    model, inference, source = load_model(tmp_path / "out.safetensors")
    assert model.config == NetworkConfig()
    assert inference.input_range is None
    for name, value in model.state_dict().items():
        assert (value == np.float32(zlib.crc32(name.encode()) % 1000 / 1000)).all(), name
    assert isinstance(source, dict) and isinstance(source["hyper_parameters"], dict)
    assert source["hyper_parameters"]["compute_flow_method"] == "weighted_sum"


def test_an_imported_container_gives_the_official_features(tmp_path: Path) -> None:
    file = FILES[0]
    salt = goldens.entry(file)["salt"]
    weights = {
        f"module.{name}": goldens.weight(salt, name, tuple(value.shape))
        for name, value in GMRW(NetworkConfig()).state_dict().items()
    }
    torch.save({"model": weights, "args": argparse.Namespace(temp=0.0)}, tmp_path / "kubric_73k.pth")
    import_weights(tmp_path / "kubric_73k.pth", tmp_path / "out.safetensors", {})
    model = load_model(tmp_path / "out.safetensors").network
    a, b = (prepare(torch.from_numpy(frame), 1, "correct") for frame in goldens.arrays(file)["frames_u8"])
    with torch.no_grad():
        first, second = model(a, b)
    close(file, "r1.feature1", first[0], "feature")
    close(file, "r1.feature2", second[0], "feature")


@pytest.mark.parametrize("file", EVIL)
def test_refused_and_nothing_executed(file: str, tmp_path: Path) -> None:
    marker = goldens.entry(file)["marker"].split()[0]
    with pytest.raises(UntrustedFileError, match="nothing in it was executed"):
        import_weights(goldens.FOLDER / file, tmp_path / "out.safetensors", {})
    assert not os.path.exists(marker)
    assert not (tmp_path / "out.safetensors").exists()
