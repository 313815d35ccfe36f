"""A training folder belongs to its settings. A training with an older record continues."""

from __future__ import annotations

import json
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import pytest

from tests.shared.configured import changed
from tests.training.toy import FAST, ToyRecipe, ToySource
from vgmae_bench.errors import StorageError
from vgmae_bench.training.folder import Identity, TrainingFolder
from vgmae_bench.training.loop import Job, train
from vgmae_bench.training.settings import LoopConfig


def job(out: Path, **changes: Any) -> Job[Any]:
    return Job("toy", ToyRecipe(changed(FAST, **changes)), ToySource(), out, "cpu")


def without(out: Path, *names: str) -> None:
    """Make the record and the checkpoint those of a version that did not have these settings."""
    import torch

    from vgmae_bench import config

    record = json.loads((out / "record.json").read_text())
    record["identity"] = {name: value for name, value in record["identity"].items() if name not in names}
    record["digest"] = config.digest(record["identity"])
    (out / "record.json").write_text(json.dumps(record))
    checkpoint = torch.load(out / "checkpoint.pt", weights_only=True)
    torch.save({**checkpoint, "digest": record["digest"]}, out / "checkpoint.pt")


def half_done(out: Path, monkeypatch: pytest.MonkeyPatch, **changes: Any) -> None:
    forward = ToyRecipe.forward

    def stopping(recipe: ToyRecipe, batch: Any, step: int) -> Any:
        if step == 7:
            raise KeyboardInterrupt
        return forward(recipe, batch, step)

    with monkeypatch.context() as patched:
        patched.setattr(ToyRecipe, "forward", stopping)
        with pytest.raises(KeyboardInterrupt):
            train(job(out, **changes))


def test_a_training_without_a_new_setting_continues(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    whole = train(job(tmp_path / "whole"))
    half_done(tmp_path / "old", monkeypatch)
    without(tmp_path / "old", "bank_frames", "lr_schedule")
    with pytest.raises(StorageError, match="lr_schedule: cosine there, constant here"):
        train(job(tmp_path / "old", lr_schedule="constant"))
    assert train(job(tmp_path / "old"))["loss"] == whole["loss"]


def test_a_new_setting_with_other_behaviour_is_refused(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    assert LoopConfig().optimiser.ema_warmup
    half_done(tmp_path, monkeypatch)
    without(tmp_path, "ema_warmup")
    with pytest.raises(StorageError, match="ema_warmup: False there, True here"):
        train(job(tmp_path))


def test_stages_of_an_older_record_may_lack_newer_entries(tmp_path: Path) -> None:
    @dataclass(frozen=True)
    class Staged(LoopConfig):
        stages: tuple[dict[str, float | None], ...] = ()

    def folder(*stages: dict[str, float | None]) -> TrainingFolder:
        return TrainingFolder(tmp_path, Identity("toy", Staged(stages=stages), None, None))

    folder({"until": 0.5}).open("cpu", "", 1, [])
    folder({"until": 0.5, "speed": None}).check()
    with pytest.raises(StorageError, match="stages"):
        folder({"until": 0.5, "speed": 2.0}).check()
