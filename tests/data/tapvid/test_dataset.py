from __future__ import annotations

from pathlib import Path
from typing import Any

import numpy as np
import pytest

from tests.data.toy import example, jpeg_example, save, save_davis
from vgmae_bench import config
from vgmae_bench.data.tapvid import dataset as tapvid
from vgmae_bench.data.tapvid import pickles, safe_pickle
from vgmae_bench.data.tapvid.dataset import KineticsConfig, RoboTapConfig, TapVidConfig, WithSettings
from vgmae_bench.errors import BadDataError, MissingDataError, UsageError
from vgmae_bench.types import Clip


@pytest.fixture(autouse=True)
def nothing_loaded() -> None:
    pickles._loaded.clear()


def save_kinetics(root: Path, *shards: str) -> list[Path]:
    folder = root / "tapvid_kinetics"
    return [
        save([jpeg_example(10 * number), jpeg_example(10 * number + 1, padded=False)], folder / shard)
        for number, shard in enumerate(shards)
    ]


def save_robotap(root: Path, **splits: dict[str, Any]) -> None:
    for name, clips in splits.items():
        save(clips, root / "robotap" / f"robotap_{name}.pkl")


def every_clip(dataset: WithSettings) -> list[Clip]:
    return [dataset.clip(clip_id) for clip_id in dataset.ids]


def davis(root: Path, **options: Any) -> WithSettings:
    return tapvid.davis(root, TapVidConfig(**options))


def test_davis_in_the_order_of_its_dictionary(tmp_path: Path) -> None:
    save_davis(tmp_path, {"judo": example(1), "bear": example(2, frames=4, height=12)})
    dataset = davis(tmp_path)
    assert list(dataset.ids) == ["judo", "bear"]
    assert dataset.shapes == {"judo": (6, 20, 32), "bear": (4, 12, 32)}
    assert [(clip.id, clip.size, clip.num_frames) for clip in every_clip(dataset)] == [
        ("judo", (20, 32), 6),
        ("bear", (12, 32), 4),
    ]
    np.testing.assert_array_equal(dataset.clip("bear").read(), example(2, frames=4, height=12)["video"])


def test_reading_twice_gives_the_same_and_shares_memory(tmp_path: Path) -> None:
    save_davis(tmp_path)
    first, second = davis(tmp_path).clip("bear"), davis(tmp_path).clip("bear")
    assert np.shares_memory(first.read(), second.read())
    for size in (None, (20, 32), (8, 8)):
        first.frames((20, 32))[:] = 0  # the caller's own array
        first.tracks(size)[:] = 0
        np.testing.assert_array_equal(first.frames(size), second.frames(size))
        np.testing.assert_array_equal(first.tracks(size), second.tracks(size))
    np.testing.assert_array_equal(first.points, example(1)["points"], strict=True)


def test_rgb_stacking_numbers_its_clips(tmp_path: Path) -> None:
    save([example(1), example(2)], tmp_path / "tapvid_rgb_stacking" / "tapvid_rgb_stacking.pkl")
    dataset = tapvid.rgb_stacking(tmp_path, TapVidConfig())
    assert list(dataset.ids) == ["0000", "0001"]
    np.testing.assert_array_equal(dataset.clip("0001").read(), example(2)["video"])


def test_kinetics_ids_do_not_depend_on_which_shards_are_there(tmp_path: Path) -> None:
    save_kinetics(tmp_path, "0001_of_0003.pkl", "0000_of_0003.pkl")
    dataset = tapvid.kinetics(tmp_path, KineticsConfig())
    assert list(dataset.ids) == ["0000-0000", "0000-0001", "0001-0000", "0001-0001"]
    assert dataset.notes == ["1 of 3 shards are missing (0002_of_0003.pkl): scores cover only a part of the dataset"]
    assert dataset.clip("0001-0000").read().shape == (6, 20, 32, 3)
    save_kinetics(tmp_path, "0002_of_0003.pkl")
    assert tapvid.kinetics(tmp_path, KineticsConfig()).notes == []


def test_kinetics_shards_may_be_dictionaries(tmp_path: Path) -> None:
    save({"a b": jpeg_example(1)}, tmp_path / "tapvid_kinetics" / "0000_of_0001.pkl")
    assert list(tapvid.kinetics(tmp_path, KineticsConfig()).ids) == ["a%20b"]


def test_shards_of_two_sets_are_refused(tmp_path: Path) -> None:
    save_kinetics(tmp_path, "0000_of_0002.pkl", "0000_of_0010.pkl")
    with pytest.raises(BadDataError, match="mixes sets of 2 and 10 shards"):
        tapvid.kinetics(tmp_path, KineticsConfig())


def test_the_half_pixel_offset_is_removed_only_on_request(tmp_path: Path) -> None:
    save_kinetics(tmp_path, "0000_of_0001.pkl")
    kept = tapvid.kinetics(tmp_path, KineticsConfig()).clip("0000-0000")
    moved = tapvid.kinetics(tmp_path, KineticsConfig(half_pixel="compensate")).clip("0000-0000")
    np.testing.assert_array_equal(kept.points, jpeg_example(0)["points"])
    np.testing.assert_allclose(moved.tracks() - kept.tracks(), 0.5, rtol=1e-12)
    shift = (moved.tracks((256, 256)) - kept.tracks((256, 256))).reshape(-1, 2)
    np.testing.assert_allclose(shift, np.tile([0.5 * 256 / 32, 0.5 * 256 / 20], (len(shift), 1)), rtol=1e-10)


def test_minus_one_scales_to_the_centre_of_the_last_pixel(tmp_path: Path) -> None:
    save_davis(tmp_path)
    clip = davis(tmp_path, point_scale="minus_one").clip("bear")
    np.testing.assert_array_equal(clip.tracks((256, 256)), example(1)["points"] * np.array([255, 255]))
    np.testing.assert_array_equal(clip.tracks(), example(1)["points"] * np.array([31, 19]))


def test_robotap_joins_its_splits_and_leaves_long_videos_whole(tmp_path: Path) -> None:
    save_robotap(tmp_path, split10={"c": example(3)}, split2={"b": example(2)}, split0={"a": example(1, frames=9)})
    dataset = tapvid.robotap(tmp_path, RoboTapConfig())
    assert list(dataset.ids) == ["a", "b", "c"]
    assert dataset.clip("a").num_frames == 9


def test_long_videos_are_cut_into_equal_pieces(tmp_path: Path) -> None:
    long = example(1, frames=10)
    save_robotap(tmp_path, split0={"long": long, "fits": jpeg_example(2, frames=4), "5": jpeg_example(3, frames=5)})
    dataset = tapvid.robotap(tmp_path, RoboTapConfig(long_video_split=4))
    assert list(dataset.ids) == ["long+0", "long+1", "long+2", "fits", "5+0", "5+1"]
    assert [dataset.shapes[name] for name in dataset.ids[:3]] == [(3, 20, 32), (3, 20, 32), (4, 20, 32)]
    pieces = [dataset.clip(name) for name in dataset.ids[:3]]
    assert [piece.num_frames for piece in pieces] == [3, 3, 4]
    np.testing.assert_array_equal(np.concatenate([piece.read() for piece in pieces]), long["video"])
    np.testing.assert_array_equal(np.concatenate([piece.points for piece in pieces], axis=1), long["points"])
    np.testing.assert_array_equal(np.concatenate([piece.occluded for piece in pieces], axis=1), long["occluded"])
    assert dataset.clip("5+1").read().shape == (3, 20, 32, 3)


def test_settings_are_checked() -> None:
    with pytest.raises(UsageError, match="long_video_split"):
        config.build(RoboTapConfig, {"long_video_split": -1}, owner="robotap")
    with pytest.raises(UsageError, match="point_scale"):
        config.build(KineticsConfig, {"point_scale": "255"}, owner="kinetics")


def test_names_become_file_names_and_stay_apart(tmp_path: Path) -> None:
    names = ["a/b", "a%2Fb", "..", ".hidden", "a+0", "~x", "Łódź", "plain-1_2.x", "x" * 300]
    save_davis(tmp_path, {name: example(number) for number, name in enumerate(names)})
    dataset = davis(tmp_path)
    assert list(dataset.ids[:-1]) == [
        "a%2Fb", "a%252Fb", "%2E.", "%2Ehidden", "a%2B0", "%7Ex", "%C5%81%C3%B3d%C5%BA", "plain-1_2.x",
    ]  # fmt: skip
    for number, clip_id in enumerate(dataset.ids):
        np.testing.assert_array_equal(dataset.clip(clip_id).points, example(number)["points"])


def test_one_name_in_two_files_is_refused(tmp_path: Path) -> None:
    save_robotap(tmp_path, split0={"a": example(1)}, split1={"a": example(2)})
    with pytest.raises(BadDataError, match='robotap has two clips "a"'):
        tapvid.robotap(tmp_path, RoboTapConfig())


def test_a_broken_clip_leaves_the_others_usable(tmp_path: Path) -> None:
    path = save_davis(tmp_path, {"bear": {**example(1), "points": None}, "camel": example(2)})
    for _ in range(2):  # the second time from the index
        dataset = davis(tmp_path)
        assert list(dataset.ids) == ["bear", "camel"]
        assert dataset.shapes["bear"] is None
        assert dataset.clip("camel").num_frames == 6
        with pytest.raises(BadDataError, match=f'Clip "bear" of {path} cannot be used: points must be'):
            dataset.clip("bear")


@pytest.mark.parametrize(
    ("content", "message"),
    [
        ([example(1)], "holds a list, not a dictionary of clips"),
        ("text", "holds a str, not a dictionary of clips"),
        ({1: example(1)}, "1 is not the name of a clip"),
    ],
)
def test_a_file_of_another_kind_is_refused(tmp_path: Path, content: Any, message: str) -> None:
    save(content, tmp_path / "tapvid_davis" / "tapvid_davis.pkl")
    with pytest.raises(BadDataError, match=message):
        davis(tmp_path)


def test_a_truncated_file_is_bad_data(tmp_path: Path) -> None:
    path = save_davis(tmp_path)
    path.write_bytes(path.read_bytes()[:-100])
    with pytest.raises(BadDataError, match=r"tapvid_davis\.pkl"):
        davis(tmp_path)


def test_missing_kinetics_says_what_to_do(tmp_path: Path) -> None:
    with pytest.raises(MissingDataError) as caught:
        tapvid.kinetics(tmp_path, KineticsConfig())
    message = str(caught.value)
    for part in (
        str(tmp_path / "tapvid_kinetics"),
        "YouTube",
        "k700_2020_val_path.txt",
        "generate_tapvid.py",
        "data fetch kinetics",
        "data prepare kinetics --from",
        "--dataset synth",
    ):
        assert part in message


def test_the_digest_depends_on_contents_names_and_options_but_not_on_the_place(tmp_path: Path) -> None:
    roots = [tmp_path / name for name in ("one", "two", "three")]
    for root, clips in zip(roots, ({"a": example(1)}, {"a": example(1)}, {"a": example(2)}), strict=True):
        save_davis(root, clips)
    assert davis(roots[0]).digest == davis(roots[1]).digest
    assert len({davis(roots[0]).digest, davis(roots[2]).digest, davis(roots[0], point_scale="minus_one").digest}) == 3
    assert davis(roots[0]).options == {"point_scale": "full"}


def test_one_file_at_a_time_is_loaded_and_each_only_when_needed(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    paths = save_kinetics(tmp_path, "0000_of_0002.pkl", "0001_of_0002.pkl")
    loaded = []
    load = safe_pickle.load

    def watched(path: Path) -> object:
        loaded.append(path.name)
        return load(path)

    monkeypatch.setattr(safe_pickle, "load", watched)
    dataset = tapvid.kinetics(tmp_path, KineticsConfig())
    assert loaded == [path.name for path in paths]
    again = tapvid.kinetics(tmp_path, KineticsConfig())
    assert len(loaded) == 2 and again.digest == dataset.digest and again.ids == dataset.ids
    for clip in every_clip(again):
        clip.read()
    assert loaded == [*[path.name for path in paths], paths[0].name, paths[1].name]
