"""Prepared files: equal clips and scores, lazy reading, several processes, and detection of damage."""

from __future__ import annotations

import errno
import multiprocessing
import os
import pickle
import resource
import shutil
from collections import namedtuple
from pathlib import Path

import h5py
import numpy as np
import pytest

from tests.clips import write_davis
from tests.data.toy import example, jpeg_example, save, save_davis
from tests.shared.plans import plan
from vgmae_bench.data.dataset import Coverage, OpenedDataset, Stored
from vgmae_bench.data.open import open_dataset
from vgmae_bench.data.prepare import prepare
from vgmae_bench.data.prepared import PreparedDataset, write_prepared
from vgmae_bench.data.tapvid.pickles import parse_example
from vgmae_bench.data.verify import verify
from vgmae_bench.errors import BadDataError, MissingDataError, StorageError, UsageError
from vgmae_bench.evaluation.run import execute
from vgmae_bench.types import Clip


def opened(name: str, root: Path, **options: object) -> OpenedDataset:
    return open_dataset(name, options, root)


def stored(dataset: OpenedDataset) -> Stored:
    assert isinstance(dataset.source, Stored)
    return dataset.source


def assert_same(one: Clip, other: Clip) -> None:
    assert (one.id, one.size) == (other.id, other.size)
    np.testing.assert_array_equal(one.points, other.points, strict=True)
    np.testing.assert_array_equal(one.occluded, other.occluded, strict=True)
    np.testing.assert_array_equal(one.read(), other.read(), strict=True)
    np.testing.assert_array_equal(one.frames((8, 12)), other.frames((8, 12)), strict=True)
    np.testing.assert_array_equal(one.tracks((256, 256)), other.tracks((256, 256)), strict=True)


def write_sets(root: Path) -> None:
    save_davis(root, {"judo": example(1), "a/b": example(2, frames=19, height=12)})
    save([example(3)], root / "tapvid_rgb_stacking" / "tapvid_rgb_stacking.pkl")
    save({"a": example(4, frames=9)}, root / "robotap" / "robotap_split0.pkl")
    save([jpeg_example(5), jpeg_example(6, padded=False)], root / "tapvid_kinetics" / "0003_of_0010.pkl")


@pytest.mark.parametrize(
    ("name", "options"),
    [
        ("davis", {}),
        ("davis", {"point_scale": "minus_one"}),
        ("rgb-stacking", {}),
        ("robotap", {"long_video_split": 4}),
        ("kinetics", {"half_pixel": "compensate"}),
    ],
)
def test_prepared_and_published_datasets_are_equal(tmp_path: Path, name: str, options: dict[str, object]) -> None:
    write_sets(tmp_path)
    published = opened(name, tmp_path, **options)
    path = prepare(name, tmp_path)
    prepared = opened(name, tmp_path, **options)
    assert prepared.files == (path,) != published.files
    assert prepared.ids == published.ids
    assert prepared.digest == published.digest
    assert stored(prepared).shapes == stored(published).shapes
    assert prepared.coverage == published.coverage
    for clip_id in published.ids:
        assert_same(prepared.clip(clip_id), published.clip(clip_id))
    assert not [finding for finding in verify(name, tmp_path) if finding.severity == "error"]


def test_jpegs_are_kept_byte_for_byte(tmp_path: Path) -> None:
    write_sets(tmp_path)
    with h5py.File(prepare("kinetics", tmp_path, quality=10)) as file:
        clip = file["clips/0003-0000"]
        assert clip["frames"][()].tobytes() == b"".join(jpeg_example(5)["video"].tolist())
        assert clip.attrs["kind"] == "JPEG"


def test_raw_frames_are_stored_raw_or_as_smaller_pngs(tmp_path: Path) -> None:
    save_davis(tmp_path, {"flat": {**example(1), "video": np.full((6, 20, 32, 3), 7, dtype=np.uint8)}})
    published = opened("davis", tmp_path)
    stored = {}
    for small in (False, True):
        with h5py.File(prepare("davis", tmp_path, small=small)) as file:
            stored[small] = (file["clips/flat"].attrs["kind"], len(file["clips/flat/frames"]))
        assert opened("davis", tmp_path).digest == published.digest
        assert_same(opened("davis", tmp_path).clip("flat"), published.clip("flat"))
    assert stored[False] == ("RAW", 6 * 20 * 32 * 3)
    assert stored[True][0] == "PNG" and stored[True][1] < stored[False][1]


def test_the_caller_may_change_returned_frames(tmp_path: Path) -> None:
    write_sets(tmp_path)
    prepare("davis", tmp_path)
    clip = opened("davis", tmp_path).clip("judo")
    clip.read()[:] = 0  # a tracker may draw on its frames
    assert clip.read().any()


def test_the_prepared_file_has_its_source_and_standard_hdf5_data(tmp_path: Path) -> None:
    write_sets(tmp_path)
    path = prepare("davis", tmp_path)
    about = PreparedDataset(path).about
    ((source, digest),) = about["sources"]
    assert source == "tapvid_davis/tapvid_davis.pkl" and len(digest) == 64
    assert about["tool"].startswith("vgmae-bench ") and about["licence"] and about["pixels"] == "RAW"
    with h5py.File(path) as file:
        clip = file["clips/judo"]
        np.testing.assert_allclose(clip["xy"], example(1)["points"] * np.array([32, 20]), rtol=1e-6)
        assert list(clip.attrs["size"]) == [20, 32]


def test_prepared_clips_give_equal_scores_and_are_named_in_the_record(tmp_path: Path) -> None:
    root = write_davis(tmp_path / "data", clips=2)
    found, records = [], []
    for out in (tmp_path / "pickles", tmp_path / "prepared"):
        planned = plan("lucas-kanade", "davis", data_root=root, out=out)
        found.append(execute(planned, figures=0).metrics)
        records.append(planned.folder.record())
        prepare("davis", root)
    assert found[0] == found[1]
    assert records[0].key == records[1].key
    assert [record.dataset.files for record in records] == [["tapvid_davis.pkl"], ["davis.h5"]]
    assert records[1].dataset.coverage == Coverage(30, 2, None)


def test_lossy_frames_change_the_digest(tmp_path: Path) -> None:
    write_sets(tmp_path)
    published = opened("davis", tmp_path)
    prepare("davis", tmp_path, quality=90)
    lossy = opened("davis", tmp_path)
    assert lossy.digest != published.digest
    difference = lossy.clip("judo").read().astype(int) - published.clip("judo").read()
    assert 0 < np.abs(difference).mean() < 60  # noise is what JPEG does worst


def _sums(clip: Clip) -> tuple[int, float]:
    return int(clip.read().sum()), float(clip.tracks().sum())


@pytest.mark.parametrize("method", ["fork", "spawn"])
def test_clips_go_to_other_processes(tmp_path: Path, method: str) -> None:
    write_sets(tmp_path)
    prepare("davis", tmp_path)
    dataset = opened("davis", tmp_path)
    clips = [dataset.clip(clip_id) for clip_id in dataset.ids]
    with multiprocessing.get_context(method).Pool(1) as pool:
        assert pool.map(_sums, clips) == [_sums(clip) for clip in clips]


def test_a_clip_is_resized_in_parts(tmp_path: Path) -> None:
    write_sets(tmp_path)
    prepare("davis", tmp_path)
    clip = opened("davis", tmp_path).clip("a%2Fb")
    asked: list[tuple[int, int]] = []
    assert clip.part is not None
    part = clip.part

    def watched(start: int, stop: int) -> np.ndarray:
        asked.append((start, stop))
        return part(start, stop)

    object.__setattr__(clip, "part", watched)
    assert clip.frames((6, 6)).shape == (19, 6, 6, 3)
    assert asked == [(0, 8), (8, 16), (16, 19)]


def test_a_changed_byte_is_reported_and_the_clip_refused(tmp_path: Path) -> None:
    write_sets(tmp_path)
    path = prepare("davis", tmp_path)
    with h5py.File(path, "r+") as file:
        clip = file["clips/judo"]
        clip["frames"][clip["offsets"][3] + 40] ^= 1
        file["clips/a%2Fb/points"][0, 0, 0] += 0.001
    with pytest.raises(
        BadDataError, match=r'Clip "judo" of .*davis\.h5 cannot be used: frame 3 is not what was written'
    ):
        opened("davis", tmp_path).clip("judo").read()
    assert opened("davis", tmp_path).clip("judo").part(0, 3).shape == (3, 20, 32, 3)  # type: ignore[misc]
    faults = [
        f"{finding.where}: {finding.fault}" for finding in verify("davis", tmp_path) if finding.severity == "error"
    ]
    assert len(faults) == 3
    assert faults[0].startswith(f"{path}: it has changed since it was first used")
    assert "judo: " in faults[1] and "frame 3" in faults[1]
    assert "a%2Fb: " in faults[2] and "its tracks" in faults[2]


@pytest.mark.parametrize("listed", [b"[6, 32, 20]", b"[5, 20, 32]"])
def test_a_file_that_lists_a_clip_with_another_shape_is_refused(tmp_path: Path, listed: bytes) -> None:
    write_prepared(tmp_path / "x.h5", {}, [parse_example(example(1), "bear", "it")])
    with h5py.File(tmp_path / "x.h5", "r+") as file:
        text = file["about"][()].tobytes()
        assert b"[6, 20, 32]" in text
        file["about"][:] = np.frombuffer(text.replace(b"[6, 20, 32]", listed), np.uint8)
    with pytest.raises(BadDataError, match=r'Clip "bear" of .*x\.h5 cannot be used: the file lists it as \d frames of'):
        PreparedDataset(tmp_path / "x.h5").clip("bear")


@pytest.mark.parametrize("content", [b"", b"no HDF5 at all" * 100])
def test_another_file_is_refused(tmp_path: Path, content: bytes) -> None:
    (tmp_path / "x.h5").write_bytes(content)
    with pytest.raises(BadDataError, match=r"x\.h5 is not a prepared dataset"):
        PreparedDataset(tmp_path / "x.h5")


def test_links_out_of_the_file_are_not_followed(tmp_path: Path) -> None:
    write_sets(tmp_path)
    path = prepare("davis", tmp_path)
    shutil.copy(path, tmp_path / "other.h5")
    with h5py.File(path, "r+") as file:
        del file["clips/judo/points"]
        file["clips/judo/points"] = h5py.ExternalLink(str(tmp_path / "other.h5"), "clips/judo/points")
    with pytest.raises(BadDataError, match="it has no points of the expected kind"):
        PreparedDataset(path).clip("judo")


def test_a_full_disk_leaves_the_old_file_alone(tmp_path: Path) -> None:
    """Simulates a full disk with the operating system's limit on file sizes."""
    write_sets(tmp_path)
    path = prepare("davis", tmp_path)
    old = path.read_bytes()
    save_davis(tmp_path / "other", {"long": example(1, frames=200)})
    large = parse_example(example(1, frames=200), "long", "it")
    limits = resource.getrlimit(resource.RLIMIT_FSIZE)
    resource.setrlimit(resource.RLIMIT_FSIZE, (len(old) + 1000, limits[1]))
    try:
        with pytest.raises(StorageError) as caught:
            write_prepared(path, {}, [large])
    finally:
        resource.setrlimit(resource.RLIMIT_FSIZE, limits)
    assert "--data-root" in caught.value.try_
    assert path.read_bytes() == old
    assert sorted(file.name for file in path.parent.iterdir()) == ["SHA256SUMS", "davis.h5"]


def test_missing_disk_space_is_reported_before_writing(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    write_sets(tmp_path)
    usage = namedtuple("usage", "total used free")
    monkeypatch.setattr(shutil, "disk_usage", lambda _: usage(9999, 9000, 999))
    with pytest.raises(MissingDataError, match="not enough disk space for the prepared form of davis"):
        prepare("davis", tmp_path)
    assert not list((tmp_path / "prepared").iterdir())


def test_a_broken_clip_stops_it_and_is_named(tmp_path: Path) -> None:
    save_davis(tmp_path, {"good": example(1), "bad": {**example(2), "points": None}})
    with pytest.raises(BadDataError, match='Clip "bad"'):
        prepare("davis", tmp_path)
    assert not list((tmp_path / "prepared").iterdir())


def test_a_failing_write_is_a_storage_error(tmp_path: Path) -> None:
    def full() -> object:
        raise OSError(errno.ENOSPC, os.strerror(errno.ENOSPC))
        yield

    with pytest.raises(StorageError, match="No space left on device"):
        write_prepared(tmp_path / "x.h5", {}, full())  # type: ignore[arg-type]
    assert not list(tmp_path.iterdir())


def test_generated_datasets_cannot_be_prepared(tmp_path: Path) -> None:
    with pytest.raises(UsageError, match="needs no preparation"):
        prepare("synth", tmp_path)


def test_a_clip_without_tracks_and_with_all_extras_survives(tmp_path: Path) -> None:
    video = example(1)["video"]
    given = Clip(
        "x", (20, 32), np.zeros((0, 6, 2), np.float32), np.zeros((0, 6), bool), lambda: video,
        fps=12.5, annotated=np.arange(6) % 2 == 0, radius=np.linspace(0, 1, 6),
    )  # fmt: skip
    write_prepared(tmp_path / "x.h5", {}, [given])
    dataset = pickle.loads(pickle.dumps(PreparedDataset(tmp_path / "x.h5")))
    found = dataset.clip("x")
    assert found.fps == 12.5 and found.points.shape == (0, 6, 2) and dataset.coverage == Coverage(None, 1, None)
    np.testing.assert_array_equal(found.annotated, given.annotated, strict=True)
    np.testing.assert_array_equal(found.radius, given.radius, strict=True)
    np.testing.assert_array_equal(found.read(), video)
