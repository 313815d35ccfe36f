"""Query samplers, resizing, grid conversion and readers give the arrays of google-deepmind/tapnet, bit for bit."""

from __future__ import annotations

import json
import pickle
from functools import cache
from pathlib import Path
from typing import Any

import numpy as np
import pytest

from tests.golden import goldens
from vgmae_bench.coordinates import rescale
from vgmae_bench.data.tapvid import dataset as tapvid
from vgmae_bench.evaluation.sampling import QuerySample, sample_first, sample_strided
from vgmae_bench.resizing import resize_frames
from vgmae_bench.types import Clip

NAME = "golden_tapvid_readers"
CASES: dict[str, Any] = json.loads((goldens.FOLDER / f"{NAME}.json").read_text())
MODES = ("first", "strided")


@cache
def golden() -> dict[str, np.ndarray]:
    return goldens.arrays(f"{NAME}.npz")


def under(prefix: str) -> dict[str, np.ndarray]:
    return {name.removeprefix(prefix): array for name, array in golden().items() if name.startswith(prefix)}


def assert_same(actual: np.ndarray, expected: np.ndarray) -> None:
    assert actual.dtype == expected.dtype
    np.testing.assert_array_equal(actual, expected, strict=True)


def query_points(sample: QuerySample) -> np.ndarray:
    """The official layout of queries: (t, y, x)."""
    return np.stack([sample.frame, sample.xy[:, 1], sample.xy[:, 0]], axis=-1)


def sample(mode: str, occluded: np.ndarray, points: np.ndarray, stride: int = 5) -> QuerySample:
    return sample_first(occluded, points) if mode == "first" else sample_strided(occluded, points, stride)


@pytest.mark.parametrize(
    ("case", "mode"),
    [
        pytest.param(case, mode, id=f"{case['id']}-{mode}")
        for case in CASES["samplers"]
        for mode in MODES
        if isinstance(case.get(mode), dict)
    ],
)
def test_samplers(case: dict[str, Any], mode: str) -> None:
    given, expected = under(f"s/{case['id']}/in/"), under(f"s/{case['id']}/{mode}/")
    result = sample(mode, given["occluded"], given["points"], case.get("query_stride", 5))
    assert_same(query_points(result)[None], expected["query_points"])
    assert_same(given["points"][result.track][None], expected["target_points"])
    assert_same(given["occluded"][result.track][None], expected["occluded"])
    if mode == "strided":
        assert_same(result.track[None], expected["trackgroup"])


@pytest.mark.parametrize(
    "case", [pytest.param(case, id=case["id"]) for case in CASES["samplers"] if isinstance(case.get("first"), str)]
)
def test_where_the_official_first_sampler_raises_ours_takes_occlusion_as_boolean(case: dict[str, Any]) -> None:
    given = under(f"s/{case['id']}/in/")
    result = sample_first(given["occluded"], given["points"])
    seen = [np.flatnonzero(row == 0) for row in given["occluded"]]
    assert result.track.tolist() == [track for track, frames in enumerate(seen) if len(frames)]
    assert result.frame.tolist() == [int(frames[0]) for frames in seen if len(frames)]


@pytest.mark.parametrize("case", [case["id"] for case in CASES["resize"]])
def test_resize(case: str) -> None:
    given = under(f"r/{case}/")
    assert_same(resize_frames(given["in"], tuple(given["size"].tolist())), given["out"])


@pytest.mark.parametrize("case", [pytest.param(case, id=case["id"]) for case in CASES["grid"]])
def test_grid_conversion(case: dict[str, Any]) -> None:
    given = under(f"g/{case['id']}/")
    old, new = given["from"].tolist(), given["to"].tolist()
    if case["format"] == "tyx":
        expected, xy, old_size, new_size = given["out"][:, :0:-1], given["in"][:, :0:-1], old[1:], new[1:]
    else:
        expected, xy, old_size, new_size = given["out"], given["in"], old[::-1], new[::-1]
    assert_same(rescale(xy, tuple(old_size), tuple(new_size)), expected)


def write_toy_sets(root: Path) -> None:
    """The toy inputs in the official layouts; Kinetics holds what the official reader saw: decoded frames."""
    names = sorted({name.split("/")[2] for name in golden() if name.startswith("d/in/") and "kinetics" not in name})
    videos = {name: under(f"d/in/{name}/") for name in names}
    decoded = [golden()[f"d/in/kinetics/{number}/decoded"] for number in range(len(names))]
    frames_as_jpeg = [
        {**video, "video": frames, "points": video["points"].astype(np.float64)}
        for video, frames in zip(videos.values(), decoded, strict=True)
    ]
    contents = {
        "tapvid_davis/tapvid_davis.pkl": videos,
        "tapvid_rgb_stacking/tapvid_rgb_stacking.pkl": list(videos.values()),
        "tapvid_kinetics/0000_of_0010.pkl": frames_as_jpeg,
    }
    for place, content in contents.items():
        (root / place).parent.mkdir(parents=True)
        (root / place).write_bytes(pickle.dumps(content))


@pytest.fixture(autouse=True)
def cache_folder(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("VGMAE_BENCH_CACHE", str(tmp_path / "cache"))


def open_toy(dataset: str, root: Path, **options: Any) -> tapvid.WithSettings:
    write_toy_sets(root)
    if dataset == "kinetics":
        return tapvid.kinetics(root, tapvid.KineticsConfig(**options))
    return {"davis": tapvid.davis, "stacking": tapvid.rgb_stacking}[dataset](root, tapvid.TapVidConfig(**options))


def parse(identifier: str) -> tuple[str, str, tuple[int, int] | None, int]:
    dataset, mode, resolution, number = identifier.split("/")
    size = None if resolution == "native" else tuple(int(part) for part in resolution.split("x"))
    return dataset, mode, size, int(number)


@pytest.mark.parametrize(
    "case", [case["id"] for case in CASES["readers"] if case["id"].startswith(("davis/", "stacking/", "kinetics/"))]
)
def test_readers_end_to_end(case: str, tmp_path: Path) -> None:
    dataset, mode, size, number = parse(case)
    opened = open_toy(dataset, tmp_path)
    clip = opened.clip(opened.ids[number])
    expected = under(f"d/out/{case}/")
    for _ in range(2):  # reading changes nothing
        result = sample(mode, clip.occluded, clip.tracks(size))
        assert_same((clip.frames(size).astype(np.float32) / 255 * 2 - 1)[None], expected["video"])
        assert_same(query_points(result)[None], expected["query_points"])
        assert_same(clip.tracks(size)[result.track][None], expected["target_points"])
        assert_same(clip.occluded[result.track][None], expected["occluded"])
        if mode == "strided":
            assert_same(result.track[None], expected["trackgroup"])


@pytest.mark.parametrize("case", [case["id"] for case in CASES["readers"] if case["id"].startswith("cotracker_davis/")])
def test_minus_one_reproduces_the_reader_of_cotracker(case: str, tmp_path: Path) -> None:
    _, mode, size, number = parse(case)
    opened = open_toy("davis", tmp_path, point_scale="minus_one")
    clip: Clip = opened.clip(opened.ids[number])
    expected = under(f"d/out/{case}/")
    tracks = clip.tracks(size).astype(np.float32)  # it scales the stored float32 in place
    result = sample(mode, clip.occluded, tracks)
    assert_same(tracks[result.track].transpose(1, 0, 2), expected["trajectory"])
    assert_same(query_points(result), expected["query_points"])
    assert_same(~clip.occluded[result.track].T, expected["visibility"])
    assert_same(clip.frames(size).transpose(0, 3, 1, 2).astype(np.float32), expected["video"])
