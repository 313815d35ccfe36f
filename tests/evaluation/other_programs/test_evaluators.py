"""Files of other evaluators: torch files of tracks are read, files of averages are refused."""

from __future__ import annotations

import json
from pathlib import Path

import numpy as np
import pytest
import torch

from tests.clips import write_davis
from tests.evaluation.other_programs.test_external import truth
from vgmae_bench.errors import BadDataError, UntrustedFileError
from vgmae_bench.evaluation.other_programs.external import open_submission, score_submission

Tensors = tuple[torch.Tensor, torch.Tensor]


@pytest.fixture
def root(tmp_path: Path) -> Path:
    return write_davis(tmp_path / "data", clips=2, size=(48, 64))


def answers(root: Path, scale: float = 1.0) -> dict[str, Tensors]:
    """What CoTracker returns: positions [1, T, N, 2] and visibility [1, T, N]."""
    return {
        name: (
            torch.from_numpy(arrays["tracks"] * scale).float().transpose(0, 1)[None],
            ~torch.from_numpy(arrays["occluded"]).T[None],
        )
        for name, arrays in truth(root).items()
    }


def test_the_pair_that_a_tracker_returns_is_read_from_a_torch_file_a_clip(root: Path, tmp_path: Path) -> None:
    (tmp_path / "theirs").mkdir()
    for name, pair in answers(root).items():
        torch.save(pair, tmp_path / "theirs" / f"{name}.pt")
    submission = open_submission(tmp_path / "theirs", "davis", data_root=root)
    assert "(x, y), pixels of 256x256 frames" in submission.remark
    _, summary = score_submission(submission, "theirs", Path("scored"))
    assert summary.metrics["average_jaccard"].mean == 1


def test_positions_scaled_to_the_last_pixel_are_reported(root: Path, tmp_path: Path) -> None:
    """CoTracker's reader scales points by W - 1, and its evaluator writes them like that."""
    named = {
        name: {"pred_tracks": xy, "pred_visibility": seen} for name, (xy, seen) in answers(root, 255 / 256).items()
    }
    torch.save(named, tmp_path / "theirs.pth")
    submission = open_submission(tmp_path / "theirs.pth", "davis", data_root=root)
    folder, _ = score_submission(submission, "theirs", Path("scored"))
    external = folder.record().external
    assert external is not None and "scaled by (W - 1) / W" in " ".join(external.doubts)


def test_a_file_of_averages_is_refused_and_its_evaluator_named(root: Path, tmp_path: Path) -> None:
    file = tmp_path / "result_eval_.json"
    file.write_text(json.dumps({"occlusion_accuracy": 0.9, "average_jaccard": 0.638, "time": 3.0}))
    with pytest.raises(BadDataError, match="holds averages over clips, and no tracks") as raised:
        open_submission(file, "davis", data_root=root)
    assert "OA 90.00, AJ 63.80" in raised.value.why or "AJ 63.80, OA 90.00" in raised.value.why
    file.write_text(json.dumps({"loss": 1}))
    with pytest.raises(BadDataError, match="is not a file of predictions"):
        open_submission(file, "davis", data_root=root)


class Surprise:
    def __reduce__(self) -> tuple[object, tuple[str]]:
        return (print, ("executed",))


def test_a_torch_file_executes_nothing(root: Path, tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    torch.save({"clip": {"tracks": Surprise(), "visible": np.ones(2)}}, tmp_path / "evil.pt")
    with pytest.raises(UntrustedFileError, match="nothing in it was executed"):
        open_submission(tmp_path / "evil.pt", "davis", data_root=root)
    assert "executed" not in capsys.readouterr().out
