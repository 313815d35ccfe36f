"""RAFT (torchvision and authors) and ptlflow, on stand-ins. The green channel shows which frame is later."""

from __future__ import annotations

import sys
from importlib.metadata import PackageNotFoundError
from pathlib import Path
from types import ModuleType
from typing import Any

import numpy as np
import pytest
import torch
from vgmae_baselines.peers.flows import Ptlflow, PtlflowConfig, Raft, RaftConfig, RaftPrinceton

from vgmae_bench.errors import UsageError, WeightsError
from vgmae_bench.types import Queries

FRAMES = np.stack([np.full((30, 45, 3), (200, 100 + t, 50), dtype=np.uint8) for t in range(6)])
QUERIES = Queries(np.array([0, 2]), np.array([[10.5, 7.25], [3.0, 4.0]]))


class Net(torch.nn.Module):
    """Both interfaces: torchvision's (two images from -1 to 1) and ptlflow's (BGR images from 0 to 1)."""

    def __init__(self) -> None:
        super().__init__()
        self.drawn = torch.nn.Parameter(torch.rand(3))

    def forward(self, first: Any, second: Any = None, num_flow_updates: int = 0) -> Any:
        if second is None:
            images = first["images"]
            assert images.max() <= 1 and images[0, 0, 0].mean() < images[0, 0, 2].mean()  # blue comes first
            return {"flows": flow(images[:, 0], images[:, 1])[:, None]}
        assert num_flow_updates == 12 and first.min() < 0
        return [None, flow(first, second)]


def flow(first: torch.Tensor, second: torch.Tensor) -> torch.Tensor:
    found = torch.zeros_like(first[:, :2])
    found[:, 0] = torch.sign(second[:, 1].mean() - first[:, 1].mean())
    return found


def not_installed(name: str) -> str:
    raise PackageNotFoundError(name)


@pytest.fixture(autouse=True)
def libraries(monkeypatch: pytest.MonkeyPatch) -> None:
    modules = {
        name: ModuleType(name) for name in ("torchvision", "torchvision.models", "torchvision.models.optical_flow")
    }
    modules["ptlflow"] = ModuleType("ptlflow")
    vars(modules["torchvision.models.optical_flow"]).update(raft_large=lambda weights: Net())
    vars(modules["torchvision"]).update(__version__="1.2+stub")
    vars(modules["ptlflow"]).update(get_model_names=lambda: ["raft"], get_model=lambda name: Net())
    monkeypatch.setattr("importlib.metadata.version", not_installed)
    for name, module in modules.items():
        monkeypatch.setitem(sys.modules, name, module)


@pytest.mark.parametrize(
    ("make", "config"), [(Raft, RaftConfig()), (RaftPrinceton, RaftConfig()), (Ptlflow, PtlflowConfig())]
)
def test_points_are_carried_along_and_hidden_outside(make: Any, config: Any) -> None:
    tracker = make(config, None, "cpu", 0)
    tracks = tracker.track(FRAMES, QUERIES)
    since = np.maximum(np.arange(6) - QUERIES.frame[:, None], 0)
    np.testing.assert_allclose(tracks.xy[..., 0], QUERIES.xy[:, :1] + since, atol=1e-5)
    np.testing.assert_allclose(tracks.xy[..., 1], np.repeat(QUERIES.xy[:, 1:], 6, axis=1), atol=1e-5)
    np.testing.assert_array_equal(tracks.visible, np.arange(6) >= QUERIES.frame[:, None])
    assert tracker.note == "random weights"
    told = {Raft: "torchvision 1.2+stub", RaftPrinceton: "princeton-vl/RAFT no-commit", Ptlflow: "ptlflow unknown"}
    assert tracker.checkout.startswith(told[make])


def test_an_unknown_ptlflow_model_is_an_error_of_one_line() -> None:
    with pytest.raises(UsageError, match='ptlflow has no model "nonsense"'):
        Ptlflow(PtlflowConfig(model="nonsense"), None, "cpu", 0)


def test_the_authors_checkpoint_of_data_parallel_fits(tmp_path: Path) -> None:
    torch.save({"module.drawn": torch.ones(3)}, tmp_path / "raft-things.pth")
    assert RaftPrinceton(RaftConfig(), tmp_path / "raft-things.pth", "cpu", 0).note == ""
    torch.save({"module.other": torch.ones(3)}, tmp_path / "other.pth")
    with pytest.raises(WeightsError, match=r"weights of other\.pth do not fit"):
        RaftPrinceton(RaftConfig(), tmp_path / "other.pth", "cpu", 0)
