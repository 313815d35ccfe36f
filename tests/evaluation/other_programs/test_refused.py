"""Invalid, hostile and contradictory files of other programs are refused."""

from __future__ import annotations

import pickle
import zipfile
from pathlib import Path
from typing import Any

import h5py
import numpy as np
import pytest

from tests.clips import write_davis
from tests.evaluation.other_programs.submitted import Clips, asked, save_npz, score, truth
from tests.shared.plans import plan
from vgmae_bench.errors import BadDataError, MissingDataError, UntrustedFileError, UsageError, UserError
from vgmae_bench.evaluation.other_programs.convention import Convention
from vgmae_bench.evaluation.other_programs.export import export
from vgmae_bench.evaluation.run import execute


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
        ("shape", r"clip-1: positions have the shape \[6, 11, 2\]: the protocol has 6 points and 12 frames"),
        ("visibility", r"clip-1: visibility has the shape \[5, 12\]. positions have \[6, 12, 2\]"),
        ("nan", "clip-1: 1 positions are NaN or infinite, the first at point 2, frame 5"),
        ("soft", "clip-1: visibility holds 0.[17].*threshold"),
        ("name", 'holds "clip-l", which the dataset does not have. Did you mean clip-'),
        ("order", "clip-1: the points are in another order than the protocol's queries: its point 0 is query 1"),
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
def test_invalid_files_are_errors_of_one_line_and_write_no_run(
    root: Path, tmp_path: Path, kind: str, expected: str
) -> None:
    path = save_npz(tmp_path / "theirs.npz", broken(truth(root), kind, root))
    with pytest.raises(UserError, match=expected):
        score(path, root)
    assert not list(Path("scored").rglob("*"))


def test_a_file_is_not_scored_under_another_protocol_or_on_other_data(root: Path, tmp_path: Path) -> None:
    planned = plan("zero-motion", "davis", data_root=root, query_mode="strided")
    execute(planned, figures=0)
    export(planned.folder, tmp_path / "packed.h5")
    with pytest.raises(UsageError, match="has predictions for tapvid-strided"):
        score(tmp_path / "packed.h5", root, protocol="tapvid-first")
    with pytest.raises(UsageError, match="options that declare another one contradict"):
        score(tmp_path / "packed.h5", root, declared=Convention(order="yx"))
    other = write_davis(tmp_path / "other", clips=3, size=(32, 32))
    with pytest.raises(BadDataError, match="has predictions for other queries"):
        score(tmp_path / "packed.h5", other)
    with pytest.raises(BadDataError, match="has 1 query sets, the protocol has 2"):
        chunked = write_davis(tmp_path / "long", clips=1, num_frames=33)
        score(save_npz(tmp_path / "a.npz", truth(chunked)), chunked, protocol="videogmae-release")


class Evil:
    def __reduce__(self) -> tuple[Any, ...]:
        return Path.touch, (Path("executed"),)


def test_hostile_and_damaged_files_execute_nothing(root: Path, tmp_path: Path) -> None:
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


def test_invalid_run_names_units_and_missing_predictions_are_refused(root: Path, tmp_path: Path) -> None:
    path = save_npz(tmp_path / "theirs.npz", truth(root))
    with pytest.raises(UsageError, match="cannot name a method"):
        score(path, root, name="../theirs")
    with pytest.raises(UsageError, match="is not a unit"):
        Convention(units="256")
    planned = plan("zero-motion", "davis", data_root=root)
    planned.folder.create()
    execute(planned, figures=0)
    for file in planned.folder.predictions.iterdir():
        file.unlink()
    with pytest.raises(MissingDataError, match="has no predictions"):
        export(planned.folder, tmp_path / "packed.h5")
    assert not (tmp_path / "packed.h5").exists()
