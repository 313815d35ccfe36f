"""Tracks of other programs: layouts and conventions. Scoring an exported run gives the same scores."""

from __future__ import annotations

import pickle
from collections.abc import Callable
from pathlib import Path
from typing import Any

import h5py
import numpy as np
import pandas as pd
import pytest

from tests.clips import write_davis
from tests.evaluation.other_programs.submitted import SIZE, Clips, asked, perfect, save_npz, score, truth
from tests.shared.plans import plan
from vgmae_bench.errors import UsageError
from vgmae_bench.evaluation.other_programs.convention import Convention
from vgmae_bench.evaluation.other_programs.export import export
from vgmae_bench.evaluation.other_programs.external import open_submission
from vgmae_bench.evaluation.records.results import ClipCounts
from vgmae_bench.evaluation.run import execute


@pytest.mark.parametrize("ending", ["h5", "npz"])
@pytest.mark.parametrize("protocol", ["tapvid-first", "tapvid-strided", "videogmae-release"])
def test_exported_predictions_have_bit_identical_scores(tmp_path: Path, ending: str, protocol: str) -> None:
    root = write_davis(tmp_path / "data", clips=2, num_frames=33, num_points=20)
    planned = plan("lucas-kanade", "davis", data_root=root, protocol=protocol)
    execute(planned)
    packed = tmp_path / f"packed.{ending}"
    assert export(planned.folder, packed) == 2
    folder, summary = score(packed, root, name="lucas-kanade")  # the file names its protocol
    before, after = (run.path / "metrics.csv" for run in (planned.folder, folder))
    read = [pd.read_csv(path, dtype=str).drop(columns="seconds") for path in (before, after)]
    pd.testing.assert_frame_equal(*read)
    assert summary.metrics == planned.folder.summary().metrics
    per_track = [(run.path / "metrics_per_track.csv.gz").read_bytes() for run in (planned.folder, folder)]
    assert per_track[0] == per_track[1]
    for clip in ("clip-0", "clip-1"):
        assert folder.prediction(clip).read_bytes() == planned.folder.prediction(clip).read_bytes()


def test_the_predictions_folder_of_a_run_can_be_scored(root: Path) -> None:
    planned = plan("zero-motion", "davis", data_root=root)
    summary = execute(planned)
    assert score(planned.folder.predictions, root)[1].metrics == summary.metrics


def test_a_run_of_external_predictions_is_marked(root: Path, tmp_path: Path) -> None:
    folder, _ = score(save_npz(tmp_path / "theirs.npz", truth(root)), root)
    record = folder.record()
    assert record.method.note == "external predictions"
    assert record.method.name == "theirs"
    assert record.external is not None
    assert len(record.external.sha256) == 64
    assert str(tmp_path) not in (folder.path / "record.json").read_text()
    assert record.external.read_as.startswith("(x, y), pixels of 256x256 frames, detected")


CHANGES: dict[str, Callable[[np.ndarray[Any, Any]], np.ndarray[Any, Any]]] = {
    "(x, y), pixels of 256x256 frames": lambda xy: xy,
    "(x, y), normalised": lambda xy: xy / 256,
    "(x, y), pixels of source frames": lambda xy: xy / 256 * SIZE[::-1],
    "(y, x), pixels of 256x256 frames": lambda xy: xy[..., ::-1],
    "(y, x), normalised": lambda xy: xy[..., ::-1] / 256,
}


@pytest.mark.parametrize("convention", CHANGES)
def test_conventions_are_detected(root: Path, tmp_path: Path, convention: str) -> None:
    clips = truth(root)
    for arrays in clips.values():
        arrays["tracks"] = CHANGES[convention](arrays["tracks"])
    path = save_npz(tmp_path / "theirs.npz", clips)
    assert open_submission(path, "davis", data_root=root).remark.startswith(f"{convention}, detected")
    assert perfect(path, root)


def test_a_declared_convention_is_used_with_a_warning_if_starts_differ(root: Path, tmp_path: Path) -> None:
    path = save_npz(tmp_path / "theirs.npz", truth(root))
    remark = open_submission(path, "davis", data_root=root, declared=Convention(order="yx", units="256x256")).remark
    assert "declared" in remark
    assert remark.endswith("is the declared convention right?")


def layouts(tmp_path: Path, clips: Clips) -> dict[str, Path]:
    paths = {name: tmp_path / f"theirs.{name}" for name in ("h5", "pkl", "list.pkl", "npy", "objects.npz")}
    with h5py.File(paths["h5"], "w") as file:
        for clip, arrays in clips.items():
            file[f"{clip}/pred_tracks"], file[f"{clip}/pred_occluded"] = arrays["tracks"], arrays["occluded"]
    batched = {
        clip: {"tracks": arrays["tracks"].swapaxes(0, 1)[None], "visibility": ~arrays["occluded"].T[None], "fps": 24}
        for clip, arrays in clips.items()
    }  # as CoTracker returns them
    paths["pkl"].write_bytes(pickle.dumps(batched))
    paths["list.pkl"].write_bytes(pickle.dumps(list(clips.values())))
    np.save(paths["npy"], clips, allow_pickle=True)  # type: ignore[arg-type]  # a dict becomes an array of objects
    np.savez(paths["objects.npz"], **clips)  # type: ignore[arg-type]  # likewise
    folder = paths["folder"] = tmp_path / "folder"
    folder.mkdir()
    for clip, arrays in clips.items():
        np.savez(folder / f"{clip}.npz", **arrays)
    return paths


def test_layouts_of_other_programs_are_read(root: Path, tmp_path: Path) -> None:
    for name, path in layouts(tmp_path, truth(root)).items():
        assert perfect(path, root), name


def test_queries_of_the_file_are_compared_in_any_convention_of_theirs(root: Path, tmp_path: Path) -> None:
    clips = truth(root)
    for name, query_set in asked(root).items():
        t, (x, y) = query_set.queries.frame, query_set.queries.xy.T
        clips[name]["query_points"] = np.stack([t, y, x], axis=1)[None]  # TAP-Vid's
    assert perfect(save_npz(tmp_path / "a.npz", clips), root)
    for name, query_set in asked(root).items():
        x, y = query_set.queries.xy.T / 256
        clips[name]["query_points"] = np.stack([query_set.queries.frame, x, y], axis=1)
    assert perfect(save_npz(tmp_path / "b.npz", clips), root)


def test_missing_clips_leave_a_run_incomplete(root: Path, tmp_path: Path) -> None:
    clips = truth(root)
    del clips["clip-1"]
    folder, summary = score(save_npz(tmp_path / "theirs.npz", clips), root)
    assert summary.clips == ClipCounts(expected=3, scored=2, failed=1, without_queries=0)
    assert folder.note("clip-1").error == "theirs.npz has no such clip"


def test_as_many_points_as_frames_need_their_axes_declared(tmp_path: Path) -> None:
    root = write_davis(tmp_path / "data", clips=1, num_frames=6)
    path = save_npz(tmp_path / "theirs.npz", truth(root))
    with pytest.raises(UsageError, match="6 points and as many frames"):
        score(path, root)
    assert perfect(path, root, declared=Convention(axes="NT"))


def test_points_on_the_diagonal_do_not_decide_the_axis_order(root: Path, tmp_path: Path) -> None:
    dataset = pickle.loads((root / "tapvid_davis" / "tapvid_davis.pkl").read_bytes())
    for entry in dataset.values():
        entry["points"][..., 1] = entry["points"][..., 0]
    (root / "tapvid_davis" / "tapvid_davis.pkl").write_bytes(pickle.dumps(dataset))
    path = save_npz(tmp_path / "theirs.npz", truth(root))
    with pytest.raises(UsageError, match="two conventions put the points near their queries"):
        score(path, root)
    assert perfect(path, root, declared=Convention(order="xy"))
