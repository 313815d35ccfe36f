"""How a method is built: named weights, their settings, distribution, rounding."""

from __future__ import annotations

import sys
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import Any, Literal

import pytest
import torch

from tests.data.files.server import Server, serve
from tests.records import new_record
from vgmae_bench.errors import UsageError
from vgmae_bench.evaluation.method import make, open_method
from vgmae_bench.evaluation.records.results import MethodUsed, run_key
from vgmae_bench.plugins import Plugin
from vgmae_bench.provenance import numerics
from vgmae_bench.specs import MethodSpec, RemoteWeights


@dataclass(frozen=True)
class Config:
    size: Literal["small", "base"] = "base"


class Tracker:
    def __init__(self, config: Config, weights: Path | None, device: str) -> None:
        self.config, self.weights = config, weights


TRACKER = f"{__name__}:Tracker"


@pytest.fixture
def server(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Iterator[Server]:
    monkeypatch.setenv("VGMAE_BENCH_CACHE", str(tmp_path))
    with serve() as running:
        running.files["small.pth"] = b"weights"
        yield running


def plugin(server: Server | None = None, **spec: Any) -> Plugin:
    url = f"{server.url if server else 'http://127.0.0.1:9'}/small.pth"
    weights = {"small": RemoteWeights(url, settings={"size": "small"}, notice="not for sale")}
    return Plugin("theirs", MethodSpec("theirs", "", TRACKER, weights=weights, **spec), "", "their-package", "2.1", "")


def built(found: Plugin, weights: str | None = "small", **settings: Any) -> tuple[Any, MethodUsed]:
    return make(found, "tracker", weights=weights, settings=settings, device="cpu", seed=0)


def test_weights_by_name_are_fetched_and_imply_their_settings(server: Server, tmp_path: Path) -> None:
    tracker, used = built(plugin(server))
    assert (
        tracker.weights == tmp_path / "weights" / "theirs" / "small.pth" and tracker.weights.read_bytes() == b"weights"
    )
    assert tracker.config.size == "small" and used.settings == {"size": "small"}
    assert used.weights is not None and used.weights.name == "small" and used.notice == "not for sale"
    assert built(plugin(server), size="small")[0].config.size == "small"
    with pytest.raises(UsageError, match="weights small of theirs are for size=small"):
        built(plugin(server), size="base")
    assert len(server.requests) == 1


def test_random_weights_need_no_network_and_keep_the_notice_of_the_method() -> None:
    tracker, used = built(plugin(notice="of the code"), "random")
    assert tracker.weights is None and tracker.config.size == "base" and used.notice == "of the code"


def test_the_key_contains_foreign_distributions_and_rounding() -> None:
    _, used = built(plugin(), "random")
    assert used.distribution == "their-package 2.1" and used.numerics == ""
    record = new_record("theirs")
    changed = [{}, {"distribution": "their-package 2.2"}, {"numerics": "cuda"}, {"checkout": "a/b 12345"}]
    keys = {run_key(MethodUsed("theirs", **change), record.dataset, record.protocol) for change in changed}  # type: ignore[arg-type]
    assert len(keys) == 4 and record.key in keys
    ours = Plugin("ours", MethodSpec("ours", "", TRACKER), "", "vgmae-bench", "0.1.0", "")
    file = Plugin("file", MethodSpec("file", "", TRACKER), "", __file__, "", "")
    assert {built(found, None)[1].distribution for found in (ours, file)} == {""}


def test_reduced_float32_precision_is_reported() -> None:
    assert numerics("cpu") == ""
    before = torch.get_float32_matmul_precision()
    torch.set_float32_matmul_precision("medium")
    try:
        assert numerics("cpu") == "matmul medium"
    finally:
        torch.set_float32_matmul_precision(before)


@pytest.mark.parametrize(
    ("name", "device", "used"), [("lucas-kanade", "auto", "cpu"), ("lucas-kanade", "cuda", "asked")]
)
def test_torch_is_not_imported_for_a_method_that_takes_no_device(
    name: str, device: str, used: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("vgmae_bench.evaluation.method.resolve_device", lambda device: "asked")
    monkeypatch.delitem(sys.modules, "torch")
    assert open_method(name, weights=None, settings={}, device=device, seed=0).device == used


def test_a_method_that_imports_torch_gets_the_device_of_torch(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("vgmae_bench.evaluation.method.resolve_device", lambda device: "asked")
    assert open_method("lucas-kanade", weights=None, settings={}, device="auto", seed=0).device == "asked"
