"""Every reader refuses impossible values, with the likely reason and a suggestion."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import numpy as np
import pytest

from tests.clips import moving_square
from tests.data.toy import save_davis
from tests.videos import encode
from vgmae_bench.data.checks import Unit, check_frames, check_tracks
from vgmae_bench.data.open import open_dataset
from vgmae_bench.data.prepare import prepare
from vgmae_bench.data.verify import verify
from vgmae_bench.errors import BadDataError, FaultError

SIZE = (48, 80)
PIXELS = np.array([80, 48])
CLIP = moving_square(12, SIZE, seed=1)
WIDE = np.array([[[70.0, 20.0], [60.0, 30.0], [60.0, 40.0], [10.0, 9.0]]])
"""Pixels (x, y) in frames of 80 × 48."""
POINTS, HIDDEN = CLIP["points"], CLIP["occluded"]


def refused(points: np.ndarray, hidden: np.ndarray = HIDDEN, unit: Unit = "fractions") -> FaultError:
    with pytest.raises(FaultError) as caught:
        check_tracks(points, hidden, points.shape[1], SIZE, unit)
    return caught.value


def far_away() -> np.ndarray:
    points = POINTS.copy()
    points[2, 0] = [0.5, -3]
    return points


@pytest.mark.parametrize(
    ("points", "hidden", "unit", "reason", "remedy"),
    [
        (POINTS * PIXELS, HIDDEN, "fractions", "they look like pixels", "points / [80, 48]"),
        (POINTS / PIXELS, HIDDEN, "pixels", "they look like fractions of the frame", "x * 80 and y * 48"),
        (POINTS / PIXELS, HIDDEN, "fractions", "divided by the size of the frame twice", "points * [80, 48]"),
        (WIDE[..., ::-1] / PIXELS, np.zeros((1, 4), bool), "pixels", "x and y look exchanged", "points[..., ::-1]"),
        (POINTS * 256 / PIXELS, HIDDEN, "pixels", "pixels of frames of 256 × 256", "x * 0.3125 and y * 0.1875"),
        (
            far_away(),
            HIDDEN,
            "fractions",
            "a point outside the frame cannot be visible",
            "marking such points as hidden",
        ),
    ],
    ids=["pixels for fractions", "fractions for pixels", "divided twice", "y, x", "256 × 256", "one far away"],
)
def test_the_likely_reason_is_named(
    points: np.ndarray, hidden: np.ndarray, unit: Unit, reason: str, remedy: str
) -> None:
    fault = refused(points, hidden, unit)
    assert reason in str(fault) and remedy in fault.remedy


def test_fractions_from_minus_one_and_pixels_of_256_are_named() -> None:
    spread = np.random.default_rng(0).random((9, 4, 2))
    shown = np.zeros((9, 4), bool)
    fault = refused(spread * 2 - 1, shown)
    assert "they look like fractions from -1 to 1" in str(fault) and fault.remedy == "(points + 1) / 2"
    with pytest.raises(FaultError, match="pixels of frames of 256 × 256") as caught:
        check_tracks(spread * 256, shown, 4, (480, 854), "fractions")
    assert caught.value.remedy == "points / 256"


@pytest.mark.parametrize("unit", ["fractions", "pixels"])
def test_points_without_a_position_that_are_called_visible_are_refused(unit: Unit) -> None:
    points = np.where(HIDDEN[..., None], 0, POINTS)
    check_tracks(points, HIDDEN, 12, SIZE, unit)  # hidden, they may be anywhere
    fault = refused(points, np.zeros_like(HIDDEN), unit)
    told = f"{HIDDEN.sum()} of {HIDDEN.size} visible positions are exactly (0, 0), the first of them, track"
    assert told in str(fault)
    assert "marking points without a position as hidden" in fault.remedy
    once = POINTS.copy()
    once[0, 0] = 0
    check_tracks(once, np.zeros_like(HIDDEN), 12, SIZE, unit)


def test_the_first_position_far_outside_is_named() -> None:
    assert f"1 of {(~HIDDEN).sum()} visible positions lie far outside" in str(refused(far_away()))
    assert "track 2 in frame 0, at (40, -144) in 80 × 48 pixels" in str(refused(far_away()))


def test_inverted_occlusion_is_suspected_where_only_hidden_points_are_in_the_frame() -> None:
    leaving = np.array([[[0.2, 0.5], [0.5, 0.5], [0.9, 0.5], [1.2, 0.5], [1.7, 0.5]]])
    shown = (leaving <= 1).all(axis=2)
    check_tracks(leaving, ~shown, 5, SIZE)
    assert "occluded looks inverted" in str(refused(leaving, shown))


@pytest.mark.parametrize("dtype", [np.float16, np.float32, np.float64, ">f4"])
def test_true_positions_pass_unchanged(dtype: Any) -> None:
    points = POINTS.astype(dtype)
    points[HIDDEN] = np.nan
    found, hidden = check_tracks(points, HIDDEN.astype(np.uint8), 12, SIZE)
    np.testing.assert_array_equal(found, points, strict=True)
    np.testing.assert_array_equal(hidden, HIDDEN, strict=True)


def test_points_that_leave_the_frame_a_little_pass_and_so_do_points_in_the_corner() -> None:
    leaving = np.array([[[0.9, 0.5], [1.1, 0.5], [1.3, 0.5]], [[0.1, 0.1], [0.0, 0.1], [0.1, 0.1]]])
    corner = np.concatenate([np.full((1, 3, 2), 0.5) / PIXELS, leaving])
    for points in (leaving, corner):
        found, _ = check_tracks(points, np.zeros(points.shape[:2], bool), 3, SIZE)
        np.testing.assert_array_equal(found, points)


@pytest.mark.parametrize("strange", [2, 255, -1])
def test_occlusion_that_is_neither_0_nor_1_is_refused(strange: int) -> None:
    hidden = HIDDEN.astype(np.int64)
    hidden[0, 0] = strange
    with pytest.raises(ValueError, match=f"it holds {strange}"):
        check_tracks(POINTS, hidden, 12, SIZE)


@pytest.mark.parametrize(
    ("frames", "why"),
    [
        (np.zeros((3, 4, 5, 3), np.float32), r"float32 \[3, 4, 5, 3\]; its values are from 0 to 1"),
        (np.full((3, 4, 5, 3), 7.5), "its values are not whole"),
        (np.zeros((3, 4, 5), np.uint8), "it looks grey"),
        (np.zeros((3, 4, 5, 4), np.uint8), "a fourth channel"),
        (np.zeros((3, 3, 4, 5), np.uint8), "its channels come first"),
        (np.zeros((2, 4, 5, 3), np.uint8), "the video has 2 frames, but points has 3"),
        (np.zeros((3, 5, 4, 3), np.uint8), r"4 × 5 pixels, but its size says 5 × 4; size is \(height, width\)"),
        (None, "not a NoneType"),
    ],
)
def test_frames_with_another_shape_or_dtype_are_named(frames: Any, why: str) -> None:
    with pytest.raises(FaultError, match=why):
        check_frames(frames, (3, 4, 5))


def test_pixels_in_a_pickle_are_refused_by_every_command(tmp_path: Path) -> None:
    """A regression test: such a file scored AJ 0, and `data verify` found nothing."""
    pixels = {**CLIP, "points": (POINTS * PIXELS).astype(np.float32)}
    path = save_davis(tmp_path, {"good": CLIP, "bad": pixels})
    dataset = open_dataset("davis", root=tmp_path)
    dataset.clip("good")
    with pytest.raises(BadDataError, match="they look like pixels") as caught:
        dataset.clip("bad")
    assert caught.value.what == f'Clip "bad" of {path} cannot be used'
    assert caught.value.try_ == "points / [80, 48], then: vgmae-bench data verify davis, which names every such clip"
    found = {finding.where: finding.fault for finding in verify("davis", tmp_path) if finding.severity == "error"}
    assert found.keys() == {"bad"} and "they look like pixels" in found["bad"]
    with pytest.raises(BadDataError, match="they look like pixels"):
        prepare("davis", tmp_path)


@pytest.mark.parametrize(
    ("change", "reason"),
    [
        (1 / PIXELS, "they look like fractions of the frame"),
        (np.array([60, 60]), "far outside the frame"),
    ],
    ids=["fractions", "beyond"],
)
def test_a_table_in_another_unit_is_refused(tmp_path: Path, change: np.ndarray, reason: str) -> None:
    """A regression test: a table in fractions scored δ 100 %."""
    encode(tmp_path / "bear.mp4", CLIP["video"])
    rows = [
        f"{track},{frame},{x},{y},{int(not HIDDEN[track, frame])}\n"
        for (track, frame), (x, y) in zip(
            np.ndindex(HIDDEN.shape), (POINTS * PIXELS).reshape(-1, 2) * change, strict=True
        )
    ]
    (tmp_path / "bear.csv").write_text("point,frame,x,y,visible\n" + "".join(rows))
    dataset = open_dataset("folder", {"path": str(tmp_path)})
    with pytest.raises(BadDataError, match=reason) as caught:
        dataset.clip("bear")
    assert f"vgmae-bench data verify folder --dataset-set path={tmp_path}" in caught.value.try_
