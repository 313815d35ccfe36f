"""Kubric in all its layouts: TFDS files, raw renders, exports of CoTracker."""

from __future__ import annotations

import json
import shutil
from functools import cache
from pathlib import Path

import numpy as np
import pytest
from click.testing import CliRunner
from PIL import Image

from tests.data.kubric.renders import Render, render, write_render
from tests.data.kubric.test_tracks import scene
from tests.data.kubric.tfds_files import encode_example, movi_features, write_records
from tests.data.toy import example
from tests.shared.plans import plan
from vgmae_bench.cli import cli
from vgmae_bench.data.dataset import OpenedDataset
from vgmae_bench.data.kubric.tracks import derive_tracks
from vgmae_bench.data.open import open_dataset
from vgmae_bench.data.prepare import prepare
from vgmae_bench.data.prepared import PreparedDataset
from vgmae_bench.data.verify import verify
from vgmae_bench.errors import BadDataError, MissingDataError, StorageError, UsageError, UserError
from vgmae_bench.evaluation.protocols import PROTOCOLS, query_sets
from vgmae_bench.evaluation.run import execute

FRAMES = 8
SHARDS = "movi_e-validation.tfrecord-{:05}-of-00002"


@cache
def made(index: int) -> Render:
    return render(48, FRAMES, index=index)


@cache
def record(index: int) -> bytes:
    return encode_example(movi_features(made(index % 2), f"{index}"))


def write_tfds(folder: Path) -> Path:
    """Three scenes in two shards with the names of TFDS, and the files next to them."""
    scenes = [record(index) for index in range(3)]
    write_records(folder / SHARDS.format(0), scenes[:2])
    write_records(folder / SHARDS.format(1), scenes[2:])
    write_records(folder / "movi_e-train.tfrecord-00000-of-00001", scenes[:1])
    (folder / "dataset_info.json").write_text("{}")
    return folder


def write_exported(folder: Path) -> dict[str, np.ndarray]:
    """A scene in CoTracker's layout: folder/frames and folder/folder.npy, whose "visibility" means occlusion."""
    raw = example(5, frames=FRAMES, height=40, width=40)
    (folder / "frames").mkdir(parents=True)
    for number, frame in enumerate(raw["video"]):
        Image.fromarray(frame).save(folder / "frames" / f"{number:03}.png")
    content = {"coords": raw["points"].astype(np.float32) * 40, "visibility": raw["occluded"]}
    np.save(folder / f"{folder.name}.npy", content, allow_pickle=True)  # type: ignore[arg-type]  # it makes an array of it
    return raw


def opened(root: Path) -> OpenedDataset:
    return open_dataset("kubric", root=root)


def missing_files(root: Path) -> list[str] | None:
    coverage = opened(root).coverage
    assert coverage is not None
    return coverage.missing


def test_tfds_files_give_the_tracks_of_the_derivation(tmp_path: Path) -> None:
    prepare("kubric", tmp_path, write_tfds(tmp_path / "movi_e"))
    dataset = opened(tmp_path)
    assert dataset.ids == ("0", "1", "2") and missing_files(tmp_path) == []
    for index, name in enumerate(dataset.ids):
        clip = dataset.clip(name)
        np.testing.assert_array_equal(clip.read(), made(index % 2).layers["rgba"][..., :3], strict=True)
        wanted = derive_tracks(scene(made(index % 2)), name)
        assert clip.asked is not None and clip.fps == 12
        np.testing.assert_array_equal(clip.asked, wanted.frame)
        # The same but for 16 bits of depth and 32 of camera and boxes.
        np.testing.assert_allclose(clip.tracks(), wanted.xy, atol=0.02)
        assert (clip.occluded != wanted.occluded).mean() < 0.01
    assert dataset.clip("0").tracks().shape != dataset.clip("2").tracks().shape or not np.array_equal(
        dataset.clip("0").tracks(), dataset.clip("2").tracks()
    )  # the same scene with another name: other points
    assert verify("kubric", tmp_path) == []


def test_two_laboratories_get_the_same_queries(tmp_path: Path) -> None:
    source = write_tfds(tmp_path / "source")
    one, other, third = tmp_path / "one", tmp_path / "other", tmp_path / "third"
    prepare("kubric", one, source)
    (other / "movi_e" / "256x256").mkdir(parents=True)
    shutil.copytree(source, other / "movi_e" / "256x256" / "1.0.0")
    prepare("kubric", other)  # from where the files belong below the data root
    prepare("kubric", third, source, options={"seed": "1"})
    assert opened(one).digest == opened(other).digest != opened(third).digest
    for name in opened(one).ids:
        first, second, else_ = (opened(root).clip(name) for root in (one, other, third))
        np.testing.assert_array_equal(first.points, second.points, strict=True)
        np.testing.assert_array_equal(first.asked, second.asked, strict=True)
        assert first.points.shape != else_.points.shape or not np.array_equal(first.points, else_.points)


@pytest.mark.parametrize("protocol", ["tapvid-first", "tapvid-strided"])
def test_every_query_is_at_the_sampled_point(tmp_path: Path, protocol: str) -> None:
    prepare("kubric", tmp_path, write_tfds(tmp_path / "movi_e"), options={"tracks": 20})
    clip = opened(tmp_path).clip("0")
    ((_, query_set),) = query_sets(clip, PROTOCOLS[protocol])
    assert len(query_set.queries) == 20
    np.testing.assert_array_equal(query_set.queries.frame, clip.asked)
    np.testing.assert_array_equal(query_set.track, np.arange(20))
    pixels = query_set.queries.xy * 48 / 256 - 0.5  # drawn at centres of pixels
    np.testing.assert_allclose(pixels, np.round(pixels), atol=0.02)


def test_the_chunk_protocol_selects_its_own_queries(tmp_path: Path) -> None:
    prepare("kubric", tmp_path, write_tfds(tmp_path / "movi_e"))
    clip = opened(tmp_path).clip("0")
    long = PROTOCOLS["videogmae-release"]
    assert list(query_sets(clip, long)) == []  # 8 frames have no chunk of 16


def test_a_run_scores_it(tmp_path: Path) -> None:
    prepare("kubric", tmp_path, write_tfds(tmp_path / "movi_e"))
    planned = plan("zero-motion", "kubric", query_mode="strided", data_root=tmp_path, out=tmp_path / "results")
    assert planned.record.protocol_sentence.endswith("scored at 256×256; queries are the dataset's own")
    metrics = execute(planned, figures=0).metrics
    mean = metrics["average_jaccard"].mean
    assert mean is not None and 0 < mean < 1


def test_raw_renders_are_the_same_as_their_tfds_files(tmp_path: Path) -> None:
    write_render(made(0), tmp_path / "scenes" / "7")
    write_records(
        tmp_path / "tfds" / "movi_f-train.tfrecord-00000-of-00001", [encode_example(movi_features(made(0), "7"))]
    )
    prepare("kubric", tmp_path / "raw", tmp_path / "scenes")
    prepare("kubric", tmp_path / "files", tmp_path / "tfds", options={"split": "train"})
    raw, files = opened(tmp_path / "raw").clip("7"), opened(tmp_path / "files").clip("7")
    np.testing.assert_array_equal(raw.read(), files.read(), strict=True)
    np.testing.assert_array_equal(raw.asked, files.asked)
    np.testing.assert_allclose(raw.tracks(), files.tracks(), atol=0.02)
    prepare("kubric", tmp_path / "one", tmp_path / "scenes" / "7")  # a scene's own folder
    assert opened(tmp_path / "one").digest == opened(tmp_path / "raw").digest


def test_exports_of_cotracker_are_read(tmp_path: Path) -> None:
    raw = write_exported(tmp_path / "movi_f" / "0001")
    prepare("kubric", tmp_path, tmp_path / "movi_f")
    assert not opened(tmp_path).own_queries
    clip = opened(tmp_path).clip("0001")
    np.testing.assert_array_equal(clip.read(), raw["video"])
    np.testing.assert_allclose(clip.tracks(), raw["points"] * 40.0, atol=1e-4)
    np.testing.assert_array_equal(clip.occluded, raw["occluded"])
    assert clip.asked is None


def test_pickled_code_is_not_run(tmp_path: Path) -> None:
    write_exported(tmp_path / "movi_f" / "0001")

    class Evil:
        def __reduce__(self) -> tuple[object, tuple[str]]:
            return print, ("executed",)

    np.save(tmp_path / "movi_f" / "0001" / "0001.npy", np.array(Evil(), dtype=object), allow_pickle=True)
    with pytest.raises(UserError, match="not plain data"):
        prepare("kubric", tmp_path, tmp_path / "movi_f")


def test_missing_shards_are_known(tmp_path: Path) -> None:
    source = write_tfds(tmp_path / "movi_e")
    (source / SHARDS.format(1)).unlink()
    prepare("kubric", tmp_path, source)
    assert missing_files(tmp_path) == [SHARDS.format(1)]
    assert verify("kubric", tmp_path) == []


def damage_file(source: Path) -> None:
    file = source / SHARDS.format(1)
    file.write_bytes(file.read_bytes()[:-50])


def lose_a_layer(source: Path) -> None:
    features = movi_features(made(0), "0")
    del features["normal"]
    write_records(source / SHARDS.format(1), [encode_example(features)])


def eight_bits(source: Path) -> None:
    features = movi_features(made(0), "0")
    features["object_coordinates"] = features["video"]
    write_records(source / SHARDS.format(1), [encode_example(features)])


def half_a_png(source: Path) -> None:
    features = movi_features(made(0), "2")
    depth = features["depth"]
    assert isinstance(depth, list)
    depth[2] = depth[2][: len(depth[2]) // 2]
    write_records(source / SHARDS.format(1), [encode_example(features)])


def lose_an_instance(source: Path) -> None:
    features = movi_features(made(0), "2")
    for name, size in (("bboxes_3d", FRAMES * 24), ("quaternions", FRAMES * 4)):
        features[f"instances/{name}"] = features[f"instances/{name}"][:-size]
    write_records(source / SHARDS.format(1), [encode_example(features)])


def same_name(source: Path) -> None:
    write_records(source / SHARDS.format(1), [encode_example(movi_features(made(0), "0"))])


@pytest.mark.parametrize(
    ("damage", "why"),
    [
        (damage_file, "ends within record 0"),
        (lose_a_layer, "Record 0 of .*00001-of-00002 cannot be used. It has no normal"),
        (eight_bits, "coordinates must be finite uint16 .*, not uint8"),
        (half_a_png, "not a whole PNG"),
        (lose_an_instance, "segment 4 is not one of its 3 instances"),
        (same_name, 'Two scenes are called "0"'),
    ],
)
def test_damage_is_named_and_the_old_file_stays(tmp_path: Path, damage: object, why: str) -> None:
    assert callable(damage)
    source = write_tfds(tmp_path / "movi_e")
    path = prepare("kubric", tmp_path, source)
    before = path.read_bytes()
    damage(source)
    with pytest.raises(BadDataError, match=f"(?i){why}"):
        prepare("kubric", tmp_path, source)
    assert path.read_bytes() == before and [file.name for file in path.parent.iterdir() if file.name[0] == "."] == []
    assert PreparedDataset(path).shapes.keys() == {"0", "1", "2"}


@pytest.mark.parametrize(
    ("name", "content"),
    [
        ("metadata.json", b"{"),
        ("metadata.json", json.dumps({"metadata": {"num_frames": 99}}).encode()),
        ("depth_00003.tiff", b"II*\0"),
        ("normal_00001.png", b""),
        ("segmentation_00000.png", b"\x89PNG\r\n\x1a\nIEND\xaeB`\x82"),
    ],
)
def test_broken_renders_are_named(tmp_path: Path, name: str, content: bytes) -> None:
    folder = write_render(made(0), tmp_path / "scenes" / "7")
    (folder / name).write_bytes(content)
    with pytest.raises(BadDataError, match=r"The scene .*7 cannot be used"):
        prepare("kubric", tmp_path, tmp_path / "scenes")


def test_unsuitable_source_folders_are_errors(tmp_path: Path) -> None:
    with pytest.raises(MissingDataError, match="gsutil"):
        open_dataset("kubric", root=tmp_path)
    with pytest.raises(MissingDataError, match="holds no"):
        prepare("kubric", tmp_path, tmp_path)
    with pytest.raises(UsageError, match='no setting "sed"'):
        prepare("kubric", tmp_path, tmp_path, options={"sed": "1"})
    write_tfds(tmp_path / "movi_e" / "256x256" / "1.0.0")
    with pytest.raises(MissingDataError, match="vgmae-bench data prepare kubric"):
        open_dataset("kubric", root=tmp_path)
    write_tfds(tmp_path / "movi_e" / "128x128" / "1.0.0")
    with pytest.raises(BadDataError, match="holds several datasets"):
        prepare("kubric", tmp_path, tmp_path / "movi_e")


def test_settings_are_shown_and_taken_by_the_command(tmp_path: Path) -> None:
    source = write_tfds(tmp_path / "movi_e")
    shown = CliRunner().invoke(cli, ["show", "kubric", "--settings", "prepare"])
    assert "3 settings for prepare, each with --dataset-set NAME=VALUE" in shown.output and "seed" in shown.output
    command = ["data", "prepare", "kubric", "--from", str(source), "--data-root", str(tmp_path)]
    assert CliRunner().invoke(cli, [*command, "--dataset-set", "tracks=7"]).exit_code == 0
    assert len(opened(tmp_path).clip("0").points) == 7
    refused = CliRunner().invoke(cli, ["data", "prepare", "davis", "--dataset-set", "seed=1"])
    assert isinstance(refused.exception, UsageError)


def test_a_full_disk_leaves_nothing(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    source = write_tfds(tmp_path / "movi_e")
    (tmp_path / "prepared").write_text("a file where a folder should be")
    with pytest.raises(StorageError):
        prepare("kubric", tmp_path, source)
