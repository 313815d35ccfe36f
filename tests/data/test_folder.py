"""The user's own videos with tracks as CSV or JSON."""

from __future__ import annotations

import json
from pathlib import Path

import numpy as np
import pytest

from tests.videos import encode, greys, numbers, save_images
from vgmae_bench.data.folder import FolderConfig, FolderDataset
from vgmae_bench.data.open import open_dataset
from vgmae_bench.data.prepare import prepare
from vgmae_bench.errors import BadDataError, MissingDataError, UsageError
from vgmae_bench.resizing import resize_frames

CSV = """point,frame,x,y,visible,note
nose,0,3.5,4.25,1,a
tail,0,10,20,1,
nose,2,5.5,4.25,1,
tail,2,,,0,
nose,3,6.5,4.25,0,
"""
JSON = {"xy": [[[1.5, 2], None, [3, 4]]], "annotated": [True, True, True]}


@pytest.fixture
def folder(tmp_path: Path) -> Path:
    folder = tmp_path / "mine"
    folder.mkdir()
    encode(folder / "bear.mp4", greys(6))
    (folder / "bear.csv").write_text(CSV)
    save_images(folder / "camel", greys(3, (30, 20)))
    (folder / "camel.json").write_text(json.dumps(JSON))
    (folder / "unlabelled.mp4").touch()
    return folder


def opened(folder: Path) -> FolderDataset:
    return FolderDataset(FolderConfig(folder))


def test_csv_with_gaps(folder: Path) -> None:
    clip = opened(folder).clip("bear")
    assert (clip.size, clip.num_frames, clip.fps) == ((48, 64), 4, 10)
    assert clip.annotated is not None and clip.annotated.tolist() == [True, False, True, True]
    np.testing.assert_array_equal(~clip.occluded, [[True, False, True, False], [True, False, False, False]])
    np.testing.assert_allclose(clip.tracks()[0, [0, 2]], [[3.5, 4.25], [5.5, 4.25]])
    assert numbers(clip.read()) == [0, 1, 2, 3]
    np.testing.assert_array_equal(clip.frames((16, 16)), resize_frames(clip.read(), (16, 16)))


def test_json_and_a_folder_of_images(folder: Path) -> None:
    dataset = opened(folder)
    assert dataset.ids == ["bear", "camel"]
    clip = dataset.clip("camel")
    assert clip.size == (30, 20) and clip.annotated is None
    np.testing.assert_array_equal(clip.occluded, [[False, True, False]])
    np.testing.assert_allclose(clip.tracks()[0, [0, 2]], [[1.5, 2], [3, 4]])
    np.testing.assert_array_equal(clip.read(), greys(3, (30, 20)))


def test_the_digest_follows_the_tracks_and_preparing_is_refused(folder: Path) -> None:
    dataset = open_dataset("folder", {"path": str(folder)})
    assert dataset.name == "folder" and dataset.options == {}
    digest = dataset.digest
    (folder / "camel.json").write_text(json.dumps({**JSON, "xy": [[[1, 2], None, [3, 4]]]}))
    assert opened(folder).digest != digest
    with pytest.raises(UsageError, match="nothing to prepare"):
        prepare("folder", folder)


def test_folder_without_a_path_is_an_error(tmp_path: Path) -> None:
    with pytest.raises(UsageError, match="path=DIR"):
        open_dataset("folder")
    with pytest.raises(MissingDataError, match="There is no folder"):
        opened(tmp_path / "none")
    with pytest.raises(MissingDataError, match="holds no tracks"):
        opened(tmp_path)


@pytest.mark.parametrize(
    ("text", "message"),
    [
        ("point,frame,x,y\n", "it has no column visible"),
        ("point,frame,x,y,visible\na,0,1,2,yes\n", "line 2: visible is 'yes', not 0 or 1"),
        ("point,frame,x,y,visible\na,-1,1,2,1\n", "line 2: there is no frame -1"),
        ("point,frame,x,y,visible\na,99999999999,1,2,1\n", "there is no frame 99999999999"),
        ("point,frame,x,y,visible\na,0,1,2,1\na,0,1,2,1\n", "line 3: a second row for point a in frame 0"),
        ("point,frame,x,y,visible\na,0,left,2,1\n", "line 2: x is 'left', not a number of pixels"),
        ("point,frame,x,y,visible\na,0,,,1\n", "track 0 is visible in frame 0, but its position"),
        ("point,frame,x,y,visible\na,0\n", "line 2"),
    ],
)
def test_mistakes_in_csv_are_named(folder: Path, text: str, message: str) -> None:
    (folder / "bear.csv").write_text(text)
    with pytest.raises(BadDataError, match=message) as caught:
        opened(folder).clip("bear")
    assert "bear.csv" in caught.value.what


@pytest.mark.parametrize(
    ("content", "message"),
    [
        ("{", "cannot be used"),
        ("[]", "cannot be used"),
        ('{"visible": []}', "xy"),
        ('{"xy": [[[1, 2], [3]]]}', "cannot be used"),
        ('{"xy": [[1, 2]]}', "cannot be used"),
        ('{"xy": [[[1, 2]]], "visible": [[2]]}', "visible must be true or false"),
        ('{"xy": [[[1, 2]]], "annotated": [true, true]}', "annotated must be true or false"),
        ('{"xy": [[null]], "visible": [[true]]}', "track 0 is visible in frame 0"),
    ],
)
def test_mistakes_in_json_are_named(folder: Path, content: str, message: str) -> None:
    (folder / "camel.json").write_text(content)
    with pytest.raises(BadDataError, match=message):
        opened(folder).clip("camel")


def test_tracks_without_their_video_and_videos_that_end_early(folder: Path) -> None:
    (folder / "lone.csv").write_text(CSV)
    with pytest.raises(BadDataError, match=r"lone\.csv has no video"):
        opened(folder)
    encode(folder / "lone.mp4", greys(2))
    with pytest.raises(BadDataError, match=r"ends after 2 frames: its tracks have 4"):
        opened(folder).clip("lone").read()


def name_pair(folder: Path, video: str, tracks: str, frames: int = 3) -> None:
    encode(folder / video, greys(frames)) if video else None
    (folder / tracks).write_text("point,frame,x,y,visible\na,0,1,2,1\n") if tracks else None


@pytest.mark.parametrize(
    "name",
    [
        "a dog runs [dQw4w9WgXcQ]", "what?", "all*", "100% #1 & 'q'", " lead and trail ", "-dash", "run.v2", "10²",
        "完結男友成了妹夫她轉頭相親閃婚了一個陌生男人誰料便宜老公不僅清冷禁慾而且",
    ],
)  # fmt: skip
def test_names_are_text(tmp_path: Path, name: str) -> None:
    name_pair(tmp_path, f"{name}.mp4", f"{name}.CSV")
    for other in ("clip1", "run", "what1", "all1"):
        name_pair(tmp_path, f"{other}.mp4", f"{other}.csv", frames=2)
    dataset = opened(tmp_path)
    assert set(dataset.ids) == {name, "clip1", "run", "what1", "all1"}
    assert numbers(dataset.clip(name).read()) == [0]
    assert dataset.files[2 * dataset.ids.index(name)].name == f"{name}.mp4"


def test_tracks_are_never_paired_with_a_video_of_another_name(tmp_path: Path) -> None:
    name_pair(tmp_path, "", "clip[1].csv")
    name_pair(tmp_path, "clip1.mp4", "")
    with pytest.raises(BadDataError, match=r"clip\[1\]\.csv has no video"):
        opened(tmp_path)


def test_unicode_forms_of_one_name_are_one_name(tmp_path: Path) -> None:
    name_pair(tmp_path, "e\u0301te\u0301.mp4", "\xe9t\xe9.csv")
    assert opened(tmp_path).ids == ["\xe9t\xe9"]
    name_pair(tmp_path, "", "e\u0301te\u0301.csv")
    with pytest.raises(BadDataError, match="2 files of tracks"):
        opened(tmp_path)


def test_two_files_of_one_name_are_refused(tmp_path: Path) -> None:
    name_pair(tmp_path, "bear.mp4", "bear.csv")
    name_pair(tmp_path, "bear.mkv", "")
    with pytest.raises(BadDataError, match=r"2 videos: bear\.mkv and bear\.mp4"):
        opened(tmp_path)
    (tmp_path / "bear.mkv").unlink()
    (tmp_path / "bear.json").write_text(json.dumps(JSON))
    with pytest.raises(BadDataError, match=r"2 files of tracks for bear: bear\.csv and bear\.json"):
        opened(tmp_path)


def test_a_broken_download_is_refused_or_used_as_asked(tmp_path: Path) -> None:
    noise = np.random.default_rng(0).integers(0, 255, (12, 48, 64, 3), dtype=np.uint8)
    path = encode(tmp_path / "a.mkv", noise)
    path.write_bytes(path.read_bytes()[: path.stat().st_size // 2])
    (tmp_path / "a.csv").write_text("point,frame,x,y,visible\na,0,1,2,1\n")
    with pytest.raises(BadDataError, match="is incomplete"):
        opened(tmp_path).clip("a")
    allowed = FolderDataset(FolderConfig(tmp_path, allow_truncated=True))
    assert allowed.options == {"allow_truncated": True}
    assert allowed.clip("a").read().shape == (1, 48, 64, 3)


def test_frames_counted_from_one_give_a_warning(folder: Path) -> None:
    assert opened(folder).notes == []
    (folder / "bear.csv").write_text(CSV.replace("nose,0", "nose,1").replace("tail,0", "tail,1"))
    assert "no row for frame 0, the first of them bear.csv" in opened(folder).notes[0]


def test_json_by_frame_instead_of_by_point_is_refused(folder: Path) -> None:
    (folder / "camel.json").write_text(json.dumps({"xy": [[[1, 2], [3, 4]]] * 3}))
    with pytest.raises(BadDataError, match=r"xy is \[3\]\[2\], and the video has 3 frames: it looks like \[T\]\[N\]"):
        opened(folder).clip("camel")


@pytest.mark.parametrize("name", ["bear.mp4", "bear.csv"])
def test_a_file_that_is_replaced_during_the_run_is_noticed(folder: Path, name: str) -> None:
    dataset = opened(folder)
    clip = dataset.clip("bear")
    content = (folder / name).read_bytes()
    (folder / name).unlink()
    (folder / name).write_bytes(content + b"\n")
    with pytest.raises(BadDataError, match="have changed since the run began"):
        clip.read()
    with pytest.raises(BadDataError, match="have changed since the run began"):
        dataset.clip("bear")


def test_a_name_of_another_system_is_named(folder: Path) -> None:
    (folder / "bear.mp4").rename(folder / "b\udce9ar.mp4")
    (folder / "bear.csv").rename(folder / "b\udce9ar.csv")
    with pytest.raises(BadDataError, match=r"not text in UTF-8: 'b\\udce9ar'"):
        open_dataset("folder", {"path": str(folder)})


def test_a_link_to_nowhere_is_named(folder: Path) -> None:
    (folder / "bear.mp4").unlink()
    (folder / "bear.mp4").symlink_to("nowhere.mp4")
    with pytest.raises(MissingDataError, match=r"bear\.mp4: No such file"):
        open_dataset("folder", {"path": str(folder)})
