from __future__ import annotations

from typing import Any

import numpy as np
import pytest

from tests.data.toy import example, jpeg_example
from vgmae_bench.data.tapvid.pickles import parse_example
from vgmae_bench.data.video.frames import decode_frames
from vgmae_bench.errors import BadDataError
from vgmae_bench.resizing import resize_frames


def test_pixels_are_shared_and_cannot_be_written() -> None:
    raw = example(0)
    frames = parse_example(raw, "bear", "clip").read()[1:4]
    assert np.shares_memory(frames, raw["video"])
    np.testing.assert_array_equal(frames, raw["video"][1:4])
    with pytest.raises(ValueError, match="read-only"):
        frames[0] = 0
    assert raw["video"].flags.writeable


@pytest.mark.parametrize("padded", [True, False], ids=["bytes array", "object array"])
def test_jpegs_are_decoded_when_they_are_read(padded: bool) -> None:
    raw = jpeg_example(0, padded=padded)
    parsed = parse_example(raw, "bear", "clip")
    assert (parsed.num_frames, parsed.size) == (6, (20, 32))
    everything = decode_frames(list(raw["video"]))
    np.testing.assert_array_equal(parsed.read(), everything)
    assert parsed.part is not None
    np.testing.assert_array_equal(parsed.part(2, 5), everything[2:5])
    small = resize_frames(everything, (9, 11))
    np.testing.assert_array_equal(parsed.frames((9, 11)), small)
    np.testing.assert_array_equal(parsed.cut(2, 6, "piece").frames((9, 11)), small[2:6])


@pytest.mark.parametrize("dtype", [np.uint8, np.int64])
def test_integer_occlusion_becomes_boolean(dtype: type) -> None:
    raw = example(0)
    parsed = parse_example({**raw, "occluded": raw["occluded"].astype(dtype)}, "bear", "clip")
    assert parsed.occluded.dtype == np.bool_
    np.testing.assert_array_equal(parsed.occluded, raw["occluded"])


def test_unfinished_positions_are_harmless_while_hidden() -> None:
    raw = example(0)
    raw["points"][raw["occluded"]] = np.nan
    assert np.isnan(parse_example(raw, "bear", "clip").points[raw["occluded"]]).all()


def visible_nan() -> dict[str, Any]:
    raw = example(0)
    raw["points"][2, 0, 1] = np.inf
    return raw


def without(key: str) -> dict[str, Any]:
    return {name: value for name, value in example(0).items() if name != key}


def changed(**values: Any) -> dict[str, Any]:
    return {**example(0), **values}


FAULTS = {
    "no dictionary": ([1, 2], "it is a list, not a dictionary"),
    "no video": (without("video"), "it has no video"),
    "no points": (without("points"), "it has no points"),
    "no occlusion": (without("occluded"), "it has no occluded"),
    "float video": (changed(video=np.zeros((6, 4, 4, 3), dtype=np.float32)), r"not float32 \[6, 4, 4, 3\]"),
    "grey video": (changed(video=np.zeros((6, 4, 4), dtype=np.uint8)), r"not uint8 \[6, 4, 4\]"),
    "empty video": (changed(video=np.zeros((0, 4, 4, 3), dtype=np.uint8)), "video is empty"),
    "video of objects": (changed(video=np.array([None] * 6)), r"not object \[6\]"),
    "video of nothing": (changed(video=None), "not a NoneType"),
    "no JPEG": (changed(video=np.array([b"no"] * 6)), "not a JPEG image"),
    "flat points": (changed(points=np.zeros((4, 12))), r"points must be floating point \[N, T, 2\]"),
    "points in 3-D": (changed(points=np.zeros((4, 6, 3))), r"not float64 \[4, 6, 3\]"),
    "integer points": (changed(points=np.zeros((4, 6, 2), dtype=np.int64)), "points must be floating point"),
    "another number of tracks": (changed(occluded=np.zeros((3, 6), dtype=bool)), r"boolean \[4, 6\] like points"),
    "soft occlusion": (changed(occluded=np.full((4, 6), 0.2)), r"not float64 \[4, 6\]"),
    "another number of frames": (
        changed(points=np.zeros((4, 5, 2)), occluded=np.zeros((4, 5), dtype=bool)),
        "the video has 6 frames, but points has 5",
    ),
    "a visible point nowhere": (visible_nan(), r"track 2 is visible in frame 0, but its position is \[.*, inf\]"),
}


@pytest.mark.parametrize(("raw", "fault"), FAULTS.values(), ids=FAULTS.keys())
def test_faults_are_named(raw: object, fault: str) -> None:
    with pytest.raises(BadDataError, match=fault) as caught:
        parse_example(raw, "bear", 'clip "bear" of davis.pkl')
    assert caught.value.what == 'Clip "bear" of davis.pkl cannot be used'
    assert "\n" not in caught.value.why


def test_a_frame_that_does_not_decode_is_named() -> None:
    raw = jpeg_example(0, padded=False)
    raw["video"][3] = raw["video"][3][:100]
    parsed = parse_example(raw, "bear", 'clip "bear" of davis.pkl')
    with pytest.raises(ValueError, match=r"^frame 3: "):
        parsed.read()
