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
from tests.golden.gmrw.test_network import close, network_config, prepare
from tests.golden.goldens import Golden
from vgmae_bench.errors import UntrustedFileError


@pytest.mark.parametrize("file", goldens.each("gmrw_container_const.pth"))
def test_every_tensor_of_a_released_container_arrives(file: Golden, tmp_path: Path) -> None:
    """All values of each tensor of this file are one number, made from its name."""
    import_weights(file.path, tmp_path / "out.safetensors", {})
    model, inference, source = load_model(tmp_path / "out.safetensors")
    assert model.config == NetworkConfig()
    assert inference.input_range is None
    for name, value in model.state_dict().items():
        assert (value == np.float32(zlib.crc32(name.encode()) % 1000 / 1000)).all(), name
    assert isinstance(source, dict) and isinstance(source["hyper_parameters"], dict)
    assert source["hyper_parameters"]["compute_flow_method"] == "weighted_sum"


@pytest.mark.parametrize("file", goldens.each("gmrw_net_*.npz"))
def test_an_imported_container_gives_the_official_features(file: Golden, tmp_path: Path) -> None:
    config = network_config(file.constructor)
    if config != NetworkConfig():
        pytest.skip(f"{file} is not of the released architecture, which alone is imported")
    weights = {
        f"module.{name}": goldens.weight(file.entry["salt"], name, tuple(value.shape))
        for name, value in GMRW(config).state_dict().items()
    }
    torch.save({"model": weights, "args": argparse.Namespace(temp=0.0)}, tmp_path / "kubric_73k.pth")
    import_weights(tmp_path / "kubric_73k.pth", tmp_path / "out.safetensors", {})
    model = load_model(tmp_path / "out.safetensors").network
    a, b = (prepare(frame, 1, "correct") for frame in file.tensor("frames_u8"))
    with torch.no_grad():
        first, second = model(a, b)
    close(file, "r1.feature1", first[0], "feature")
    close(file, "r1.feature2", second[0], "feature")


@pytest.mark.parametrize("file", goldens.each("evil_*"))
def test_malicious_files_are_refused_without_execution(file: Golden, tmp_path: Path) -> None:
    marker = file.entry["marker"].split()[0]
    with pytest.raises(UntrustedFileError, match="nothing in it was executed"):
        import_weights(file.path, tmp_path / "out.safetensors", {})
    assert not os.path.exists(marker)
    assert not (tmp_path / "out.safetensors").exists()
