"""Clip names that cannot be file names are found in all kinds of files. Ambiguous names are refused."""

from __future__ import annotations

import io
import pickle
import warnings
import zipfile
from collections.abc import Callable
from pathlib import Path
from urllib.parse import quote

import h5py
import numpy as np
import pytest

from tests.clips import moving_square
from tests.data.toy import save_davis
from tests.evaluation.other_programs.test_external import Clips, perfect, save_npz, score, truth
from tests.shared.logs import logged
from vgmae_bench.data.open import open_dataset
from vgmae_bench.errors import BadDataError

NAMES = ["plain", "d/e", "d/f", "a/b/c", "ü 日本", "100%", ".hidden", "x" * 220]


@pytest.fixture
def root(tmp_path: Path) -> Path:
    save_davis(tmp_path, {name: moving_square(seed=seed) for seed, name in enumerate(NAMES)})
    return tmp_path


def pickled(path: Path, clips: Clips) -> Path:
    path.write_bytes(pickle.dumps(clips))
    return path


def hdf5(path: Path, clips: Clips) -> Path:
    with h5py.File(path, "w") as file:
        for clip, arrays in clips.items():
            for name, array in arrays.items():
                file[f"{clip}/{name}"] = array
    return path


def folder(path: Path, clips: Clips) -> Path:
    path.mkdir()
    for clip, arrays in clips.items():
        np.savez(path / f"{clip}.npz", **arrays)
    return path


@pytest.mark.parametrize("write", [pickled, hdf5, save_npz])
def test_names_as_the_dataset_was_published_with(
    root: Path, tmp_path: Path, write: Callable[[Path, Clips], Path]
) -> None:
    by_id = truth(root)
    clips = {name: by_id[clip_id] for name, clip_id in zip(NAMES[:-1], by_id, strict=False)}
    file = write(tmp_path / ("a" if write is not save_npz else "a.npz"), clips)
    assert score(file, root)[1].clips.scored == len(NAMES) - 1


@pytest.mark.parametrize("write", [pickled, hdf5, save_npz, folder])
def test_names_as_runs_show_them(root: Path, tmp_path: Path, write: Callable[[Path, Clips], Path]) -> None:
    by_id = truth(root)
    assert perfect(write(tmp_path / "a.npz", by_id), root)
    encoded = {quote(clip_id, safe=""): arrays for clip_id, arrays in by_id.items()}
    assert perfect(write(tmp_path / "b.npz", encoded), root)


def test_a_clip_under_two_names_is_refused(root: Path, tmp_path: Path) -> None:
    clips = truth(root)
    clips["d/e"] = clips["d%2Fe"]
    with pytest.raises(BadDataError, match=r'holds d%2Fe twice: one of them is called "d/e"'):
        score(pickled(tmp_path / "a.pkl", clips), root)


def test_an_array_that_is_twice_in_a_file_is_refused(root: Path, tmp_path: Path) -> None:
    path, other = save_npz(tmp_path / "a.npz", truth(root)), io.BytesIO()
    np.save(other, np.zeros((6, 12, 2)))
    with warnings.catch_warnings(action="ignore"), zipfile.ZipFile(path, "a") as archive:
        archive.writestr("plain/tracks.npy", other.getvalue())
    with pytest.raises(BadDataError, match=r"holds plain/tracks\.npy twice"):
        score(path, root)


def test_scoring_goes_on_where_clips_of_the_dataset_cannot_be_used(root: Path, tmp_path: Path) -> None:
    path = save_npz(tmp_path / "theirs.npz", truth(root))
    short = moving_square(seed=0)
    short["video"] = short["video"][:-1]
    broken = tmp_path / "broken"
    save_davis(broken, {name: moving_square(seed=seed) for seed, name in enumerate(NAMES)} | {"plain": short})
    with logged() as said:
        run, summary = score(path, broken)
    assert (summary.clips.scored, summary.clips.failed) == (len(NAMES) - 1, 1)
    assert "the video has 11 frames, but points has 12" in summary.failures["plain"]
    assert any(line.startswith("plain failed: ") for line in said)
    assert summary.metrics["average_jaccard"].mean == 1
    ids = open_dataset("davis", root=broken).ids
    assert [clip_id for clip_id in ids if not run.has_prediction(clip_id)] == ["plain"]
