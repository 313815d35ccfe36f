"""Tracks of other programs: what is read, what is refused, and that export and score together change nothing."""

from __future__ import annotations

import pickle
import zipfile
from collections.abc import Callable
from pathlib import Path
from typing import Any

import h5py
import numpy as np
import pandas as pd
import pytest

from tests.clips import write_davis
from vgmae_bench.data.open import open_dataset
from vgmae_bench.errors import BadDataError, MissingDataError, UntrustedFileError, UsageError, UserError
from vgmae_bench.evaluation import protocols
from vgmae_bench.evaluation.other_programs.convention import Convention
from vgmae_bench.evaluation.other_programs.export import export
from vgmae_bench.evaluation.other_programs.external import open_submission, score_submission
from vgmae_bench.evaluation.protocols import QuerySet
from vgmae_bench.evaluation.records.results import ClipCounts, Summary
from vgmae_bench.evaluation.run import execute, plan
from vgmae_bench.evaluation.store import RunFolder

Clips = dict[str, dict[str, Any]]
SIZE = (48, 64)


@pytest.fixture
def root(tmp_path: Path) -> Path:
    return write_davis(tmp_path / "data", clips=3, size=SIZE)


def asked(root: Path, protocol: str = "tapvid-first") -> dict[str, QuerySet]:
    dataset, _ = open_dataset("davis", root=root)
    chosen = protocols.find(protocol, None)
    return {name: next(protocols.query_sets(dataset.clip(name), chosen, blank=True))[1] for name in dataset.ids}


def truth(root: Path, protocol: str = "tapvid-first") -> Clips:
    """Perfect answers as TAP-Vid's metrics take them: [M, T, 2] (x, y) pixels of 256 x 256, and occlusion."""
    return {
        name: {"tracks": query_set.target_xy[query_set.track], "occluded": query_set.target_occluded[query_set.track]}
        for name, query_set in asked(root, protocol).items()
    }


def save_npz(path: Path, clips: Clips) -> Path:
    np.savez(path, **{f"{clip}/{name}": array for clip, arrays in clips.items() for name, array in arrays.items()})
    return path


def score(path: Path, root: Path, name: str = "theirs", **options: Any) -> tuple[RunFolder, Summary]:
    return score_submission(open_submission(path, "davis", data_root=root, **options), name, Path("scored"))


def perfect(path: Path, root: Path, **options: Any) -> bool:
    metrics = score(path, root, **options)[1].metrics
    return all(metrics[name].mean == 1 for name in ("average_jaccard", "occlusion_accuracy"))


@pytest.mark.parametrize("ending", ["h5", "npz"])
@pytest.mark.parametrize("protocol", ["tapvid-first", "tapvid-strided", "videogmae-release"])
def test_what_is_exported_scores_the_same_to_the_last_bit(tmp_path: Path, ending: str, protocol: str) -> None:
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


def test_predictions_of_a_run_are_read_as_they_lie(root: Path) -> None:
    planned = plan("zero-motion", "davis", data_root=root)
    summary = execute(planned)
    assert score(planned.folder.predictions, root)[1].metrics == summary.metrics


def test_a_run_of_external_predictions_says_so(root: Path, tmp_path: Path) -> None:
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


def test_a_declared_convention_is_taken_and_doubted_where_points_start_elsewhere(root: Path, tmp_path: Path) -> None:
    path = save_npz(tmp_path / "theirs.npz", truth(root))
    remark = open_submission(path, "davis", data_root=root, declared=Convention(order="yx", units="256x256")).remark
    assert "declared" in remark
    assert remark.endswith("is that so?")


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


def broken(clips: Clips, kind: str, root: Path) -> Clips:
    arrays = clips["clip-1"]
    match kind:
        case "shape":
            arrays["tracks"], arrays["occluded"] = arrays["tracks"][:, :-1], arrays["occluded"][:, :-1]
        case "visibility":
            arrays["occluded"] = arrays["occluded"][:-1]
        case "nan":
            arrays["tracks"][2, 5] = np.nan
        case "soft":
            arrays["occluded"] = np.where(arrays["occluded"], 0.7, 0.1)
        case "name":
            clips["clip-l"] = clips.pop("clip-1")
        case "order":
            queries = asked(root)["clip-1"].queries
            arrays["query_points"] = np.column_stack([queries.frame, queries.xy])[[1, 0, 2, 3, 4, 5]]
        case "queries":
            arrays["query_points"] = np.ones((6, 3))
        case "missing":
            del arrays["occluded"]
        case "both":
            arrays["visible"] = ~arrays["occluded"]
        case "text":
            arrays["tracks"] = arrays["tracks"].astype(str)
        case "unordered":
            for entry in clips.values():
                entry["tracks"] = entry["tracks"][::-1]
        case "one":
            clips.pop("clip-2")
            clips["clip-1"] = {"7": arrays["tracks"]}
    return clips


@pytest.mark.parametrize(
    ("kind", "expected"),
    [
        ("shape", r"clip-1: positions have the shape \[6, 11, 2\]. the protocol asks for 6 points in 12 frames"),
        ("visibility", r"clip-1: visibility has the shape \[5, 12\]. positions have \[6, 12, 2\]"),
        ("nan", "clip-1: 1 positions are NaN or infinite, the first at point 2, frame 5"),
        ("soft", "clip-1: visibility holds 0.[17].*threshold"),
        ("name", 'holds "clip-l", which the dataset does not have. did you mean clip-'),
        ("order", "clip-1: the points are in another order than the protocol's queries. its point 0 is query 1"),
        ("queries", "clip-1: its queries are not the protocol's. query 0 is at frame, x, y = 0, "),
        ("missing", "clip-1 has none of visible.*it holds tracks"),
        ("both", "clip-1 has both visible and occluded"),
        ("text", "clip-1: an array has the dtype <U"),
        (
            "unordered",
            "The convention of the positions is not known.*or the points have another order.*\nTry: --order xy --units",
        ),
        ("one", "clip-1 has none of xy, tracks"),
    ],
)
def test_what_does_not_fit_is_one_clear_line_and_nothing_is_kept(
    root: Path, tmp_path: Path, kind: str, expected: str
) -> None:
    path = save_npz(tmp_path / "theirs.npz", broken(truth(root), kind, root))
    with pytest.raises(UserError, match=expected):
        score(path, root)
    assert not list(Path("scored").rglob("*"))


def test_missing_clips_leave_a_run_incomplete(root: Path, tmp_path: Path) -> None:
    clips = truth(root)
    del clips["clip-1"]
    folder, summary = score(save_npz(tmp_path / "theirs.npz", clips), root)
    assert summary.clips == ClipCounts(expected=3, scored=2, failed=1, without_queries=0)
    assert folder.failure("clip-1") == "theirs.npz has no such clip"


def test_as_many_points_as_frames_need_their_axes_declared(tmp_path: Path) -> None:
    root = write_davis(tmp_path / "data", clips=1, num_frames=6)
    path = save_npz(tmp_path / "theirs.npz", truth(root))
    with pytest.raises(UsageError, match="6 points and as many frames"):
        score(path, root)
    assert perfect(path, root, declared=Convention(axes="NT"))


def test_a_point_on_the_diagonal_is_no_evidence(root: Path, tmp_path: Path) -> None:
    dataset = pickle.loads((root / "tapvid_davis" / "tapvid_davis.pkl").read_bytes())
    for entry in dataset.values():
        entry["points"][..., 1] = entry["points"][..., 0]
    (root / "tapvid_davis" / "tapvid_davis.pkl").write_bytes(pickle.dumps(dataset))
    path = save_npz(tmp_path / "theirs.npz", truth(root))
    with pytest.raises(UsageError, match="two conventions put the points near their queries"):
        score(path, root)
    assert perfect(path, root, declared=Convention(order="xy"))


def test_a_file_is_not_scored_under_another_protocol_or_on_other_data(root: Path, tmp_path: Path) -> None:
    planned = plan("zero-motion", "davis", data_root=root, query_mode="strided")
    execute(planned, figures=0)
    export(planned.folder, tmp_path / "packed.h5")
    with pytest.raises(UsageError, match="answers tapvid-strided"):
        score(tmp_path / "packed.h5", root, protocol="tapvid-first")
    with pytest.raises(UsageError, match="options that declare another one contradict"):
        score(tmp_path / "packed.h5", root, declared=Convention(order="yx"))
    other = write_davis(tmp_path / "other", clips=3, size=(32, 32))
    with pytest.raises(BadDataError, match="answers other queries"):
        score(tmp_path / "packed.h5", other)
    with pytest.raises(BadDataError, match="answers 1 query sets, the protocol has 2"):
        chunked = write_davis(tmp_path / "long", clips=1, num_frames=33)
        score(save_npz(tmp_path / "a.npz", truth(chunked)), chunked, protocol="videogmae-release")


class Evil:
    def __reduce__(self) -> tuple[Any, ...]:
        return Path.touch, (Path("executed"),)


def test_hostile_and_damaged_files_do_nothing(root: Path, tmp_path: Path) -> None:
    evil = tmp_path / "evil.pkl"
    evil.write_bytes(pickle.dumps({"clip-0": {"tracks": Evil()}}))
    in_npz = tmp_path / "evil.npz"
    np.savez(in_npz, **{"clip-0": np.array([Evil()], dtype=object)})
    for path in (evil, in_npz):
        with pytest.raises(UntrustedFileError, match="not plain data"):
            score(path, root)
    assert not Path("executed").exists()
    linked = tmp_path / "linked.h5"
    with h5py.File(linked, "w") as file:
        file["clip-0/tracks"] = h5py.ExternalLink("elsewhere.h5", "/xy")
    with pytest.raises(BadDataError, match="points outside the file"):
        score(linked, root)
    huge = tmp_path / "huge.npz"
    header = (
        b"\x93NUMPY\x01\x00\x76\x00"
        + b"{'descr': '<f8', 'fortran_order': False, 'shape': (99999999999, 12, 2), }".ljust(117)
        + b"\n"
    )
    with zipfile.ZipFile(huge, "w") as archive:
        archive.writestr("clip-0/tracks.npy", header)
    with pytest.raises(BadDataError, match="cut short"):
        score(huge, root)
    whole = save_npz(tmp_path / "whole.npz", truth(root)).read_bytes()
    for number, content in enumerate((whole[:2000], b"", b"\x89HDF\r\n\x1a\nnonsense", b"\x93NUMPY nonsense", b"text")):
        path = tmp_path / f"damaged-{number}"
        path.write_bytes(content)
        with pytest.raises(BadDataError, match=f"damaged-{number} (cannot be read|is not a file of predictions)"):
            score(path, root)
    with pytest.raises(MissingDataError, match="There is no file"):
        score(tmp_path / "nothing.npz", root)


def test_names_that_are_no_folder_and_files_of_no_kind_are_refused(root: Path, tmp_path: Path) -> None:
    path = save_npz(tmp_path / "theirs.npz", truth(root))
    with pytest.raises(UsageError, match="cannot name a method"):
        score(path, root, name="../theirs")
    with pytest.raises(UsageError, match="is not a unit"):
        Convention(units="256")
    planned = plan("zero-motion", "davis", data_root=root)
    planned.folder.create()
    execute(planned, figures=0)
    with pytest.raises(UsageError, match=r"must end in \.h5 or \.npz"):
        export(planned.folder, tmp_path / "packed.csv")
    for file in planned.folder.predictions.iterdir():
        file.unlink()
    with pytest.raises(MissingDataError, match="has no predictions"):
        export(planned.folder, tmp_path / "packed.h5")
    assert not (tmp_path / "packed.h5").exists()
