"""`vgmae_bench.train` and `vgmae_bench.finetune`, as scripts call them."""

from __future__ import annotations

from pathlib import Path

import pytest

import vgmae_bench as vb
from vgmae_bench.errors import UsageError

FEW = {"steps": 2, "batch_size": 2, "distinct_clips": 4, "bank_scenes": 0, "picture_every": 0, "validate_clips": 0}


def test_an_encoder_is_trained_then_its_readout_and_the_result_is_a_tracker(tmp_path: Path) -> None:
    encoder = vb.train("videogmae", "tiny", "synth", out=tmp_path / "encoder", settings=FEW)
    readout = vb.finetune(
        "videogmae", "finetune-tiny", "synth", out=tmp_path / "readout", weights=encoder.weights, settings=FEW
    )
    assert readout.last is not None and readout.last["step"] == 2
    run = vb.evaluate("videogmae", "warp", weights=readout.weights, limit=1, out=tmp_path / "results")
    assert run.metrics["average_pts_within_thresh"].between(0, 1).all()


def test_an_unknown_logger_is_refused_before_anything_is_written(tmp_path: Path) -> None:
    with pytest.raises(UsageError, match='cannot be logged to "mlflow"'):
        vb.finetune("videogmae", "finetune-tiny", "synth", out=tmp_path / "out", weights="random", log_to=["mlflow"])
    assert not (tmp_path / "out").exists()
