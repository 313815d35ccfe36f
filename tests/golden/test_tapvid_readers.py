"""Query samplers, resizing, grid conversion and readers give the arrays of google-deepmind/tapnet, bit for bit."""

from __future__ import annotations

import json
import pickle
from collections.abc import Callable
from functools import cache
from pathlib import Path
from typing import Any

import numpy as np
import pytest

from tests.golden import goldens
from tests.golden.goldens import Golden
from vgmae_bench.data.tapvid import dataset as tapvid
from vgmae_bench.evaluation.protocols.sampling import QuerySample, sample_first, sample_strided
from vgmae_bench.resizing import resize_frames
from vgmae_bench.types import Clip, rescale

FILES = "golden_tapvid_readers.npz"
MODES = ("first", "strided")


@cache
def described(file: Golden) -> dict[str, Any]:
    """The lists of cases in the .json beside the file."""
    cases: dict[str, Any] = json.loads(file.path.with_suffix(".json").read_text())
    return cases


def named(part: str, *beginnings: str) -> Callable[[Golden], list[str]]:
    """The names of the cases of one part, of those that begin like this."""
    return lambda file: [case["id"] for case in described(file)[part] if case["id"].startswith(beginnings or "")]


def case_of(file: Golden, part: str, name: str) -> dict[str, Any]:
    (found,) = (case for case in described(file)[part] if case["id"] == name)
    return dict(found)


def under(file: Golden, prefix: str) -> dict[str, np.ndarray]:
    return {name.removeprefix(prefix): array for name, array in file.stored.items() if name.startswith(prefix)}


def assert_same(file: Golden, actual: np.ndarray, name: str) -> None:
    expected = file[name]
    assert actual.dtype == expected.dtype
    np.testing.assert_array_equal(actual, expected, strict=True)
    file.counted(name)


def query_points(sample: QuerySample) -> np.ndarray:
    """The official layout of queries: (t, y, x)."""
    return np.stack([sample.frame, sample.xy[:, 1], sample.xy[:, 0]], axis=-1)


def sample(mode: str, occluded: np.ndarray, points: np.ndarray, stride: int = 5) -> QuerySample:
    return sample_first(occluded, points) if mode == "first" else sample_strided(occluded, points, stride)


def sampled(file: Golden) -> list[tuple[str, str]]:
    """The cases of samplers that have an official answer, with their modes."""
    cases = described(file)["samplers"]
    return [(case["id"], mode) for case in cases for mode in MODES if isinstance(case.get(mode), dict)]


@pytest.mark.parametrize(("file", "case"), goldens.each(FILES, cases=sampled))
def test_samplers(file: Golden, case: tuple[str, str]) -> None:
    name, mode = case
    given, out = under(file, f"s/{name}/in/"), f"s/{name}/{mode}/"
    stride = case_of(file, "samplers", name).get("query_stride", 5)
    result = sample(mode, given["occluded"], given["points"], stride)
    assert_same(file, query_points(result)[None], f"{out}query_points")
    assert_same(file, given["points"][result.track][None], f"{out}target_points")
    assert_same(file, given["occluded"][result.track][None], f"{out}occluded")
    if mode == "strided":
        assert_same(file, result.track[None], f"{out}trackgroup")


def refused(file: Golden) -> list[str]:
    """The cases that the official "first" sampler does not take."""
    return [case["id"] for case in described(file)["samplers"] if isinstance(case.get("first"), str)]


@pytest.mark.parametrize(("file", "case"), goldens.each(FILES, cases=refused))
def test_integer_occlusion_breaks_the_official_sampler_but_not_ours(file: Golden, case: str) -> None:
    given = under(file, f"s/{case}/in/")
    result = sample_first(given["occluded"], given["points"])
    seen = [np.flatnonzero(row == 0) for row in given["occluded"]]
    assert result.track.tolist() == [track for track, frames in enumerate(seen) if len(frames)]
    assert result.frame.tolist() == [int(frames[0]) for frames in seen if len(frames)]


@pytest.mark.parametrize(("file", "case"), goldens.each(FILES, cases=named("resize")))
def test_resize(file: Golden, case: str) -> None:
    given = under(file, f"r/{case}/")
    assert_same(file, resize_frames(given["in"], tuple(given["size"].tolist())), f"r/{case}/out")


@pytest.mark.parametrize(("file", "case"), goldens.each(FILES, cases=named("grid")))
def test_grid_conversion(file: Golden, case: str) -> None:
    given = under(file, f"g/{case}/")
    old, new = given["from"].tolist(), given["to"].tolist()
    if case_of(file, "grid", case)["format"] == "tyx":
        expected, xy, old_size, new_size = given["out"][:, :0:-1], given["in"][:, :0:-1], old[1:], new[1:]
    else:
        expected, xy, old_size, new_size = given["out"], given["in"], old[::-1], new[::-1]
    np.testing.assert_array_equal(rescale(xy, tuple(old_size), tuple(new_size)), expected, strict=True)
    file.counted(f"g/{case}/out")


def write_toy_sets(file: Golden, root: Path) -> None:
    """The toy inputs in the official layouts; Kinetics holds what the official reader saw: decoded frames."""
    names = sorted({name.split("/")[2] for name in file.stored if name.startswith("d/in/") and "kinetics" not in name})
    videos = {name: under(file, f"d/in/{name}/") for name in names}
    decoded = [file[f"d/in/kinetics/{number}/decoded"] for number in range(len(names))]
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


def open_toy(file: Golden, dataset: str, root: Path, **options: Any) -> tapvid.WithSettings:
    write_toy_sets(file, root)
    if dataset == "kinetics":
        return tapvid.kinetics(root, tapvid.KineticsConfig(**options))
    return {"davis": tapvid.davis, "stacking": tapvid.rgb_stacking}[dataset](root, tapvid.TapVidConfig(**options))


def parse(identifier: str) -> tuple[str, str, tuple[int, int] | None, int]:
    dataset, mode, resolution, number = identifier.split("/")
    size = None if resolution == "native" else tuple(int(part) for part in resolution.split("x"))
    return dataset, mode, size, int(number)


@pytest.mark.parametrize(
    ("file", "case"), goldens.each(FILES, cases=named("readers", "davis/", "stacking/", "kinetics/"))
)
def test_readers_end_to_end(file: Golden, case: str, tmp_path: Path) -> None:
    dataset, mode, size, number = parse(case)
    opened = open_toy(file, dataset, tmp_path)
    clip = opened.clip(opened.ids[number])
    out = f"d/out/{case}/"
    for _ in range(2):  # reading changes nothing
        result = sample(mode, clip.occluded, clip.tracks(size))
        assert_same(file, (clip.frames(size).astype(np.float32) / 255 * 2 - 1)[None], f"{out}video")
        assert_same(file, query_points(result)[None], f"{out}query_points")
        assert_same(file, clip.tracks(size)[result.track][None], f"{out}target_points")
        assert_same(file, clip.occluded[result.track][None], f"{out}occluded")
        if mode == "strided":
            assert_same(file, result.track[None], f"{out}trackgroup")


@pytest.mark.parametrize(("file", "case"), goldens.each(FILES, cases=named("readers", "cotracker_davis/")))
def test_minus_one_reproduces_the_reader_of_cotracker(file: Golden, case: str, tmp_path: Path) -> None:
    _, mode, size, number = parse(case)
    opened = open_toy(file, "davis", tmp_path, point_scale="minus_one")
    clip: Clip = opened.clip(opened.ids[number])
    out = f"d/out/{case}/"
    tracks = clip.tracks(size).astype(np.float32)  # it scales the stored float32 in place
    result = sample(mode, clip.occluded, tracks)
    assert_same(file, tracks[result.track].transpose(1, 0, 2), f"{out}trajectory")
    assert_same(file, query_points(result), f"{out}query_points")
    assert_same(file, ~clip.occluded[result.track].T, f"{out}visibility")
    assert_same(file, clip.frames(size).transpose(0, 3, 1, 2).astype(np.float32), f"{out}video")
