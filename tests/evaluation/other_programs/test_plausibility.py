"""Suspicious predictions of other programs are reported, even if there is only one."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path

import numpy as np
import pytest

from tests.clips import write_davis
from tests.evaluation.other_programs.test_external import Clips, save_npz, truth
from tests.shared.logs import logged
from vgmae_bench.evaluation.other_programs.convention import Convention
from vgmae_bench.evaluation.other_programs.external import open_submission, score_submission


def told(root: Path, tmp_path: Path, clips: Clips) -> list[str]:
    path = save_npz(tmp_path / "theirs.npz", clips)
    opened = open_submission(path, "davis", data_root=root, declared=Convention("NT", "xy", "256x256"))
    with logged() as said:
        folder, _ = score_submission(opened, "theirs", Path("scored"), figures=0)
    external = folder.record().external
    assert external is not None
    assert [f"doubtful: {doubt}" for doubt in external.doubts] == said
    return said


def one_point(clips: Clips) -> None:
    clips["clip-6"]["tracks"][2] += 30


def inverted(clips: Clips) -> None:
    clips["clip-6"]["occluded"] = ~clips["clip-6"]["occluded"]


def half_a_pixel(clips: Clips) -> None:
    for arrays in clips.values():
        arrays["tracks"] -= 0.5


def half_a_pixel_in_two(clips: Clips) -> None:
    for name in ("clip-2", "clip-5"):
        clips[name]["tracks"] += 0.5


def exchanged(clips: Clips) -> None:
    clips["clip-6"]["tracks"] = clips["clip-6"]["tracks"][..., ::-1]


def around_the_middle(clips: Clips) -> None:
    clips["clip-3"]["tracks"] = clips["clip-3"]["tracks"] / 128 - 1


def of_the_source(clips: Clips) -> None:
    clips["clip-3"]["tracks"] = clips["clip-3"]["tracks"] / 4


def a_little(clips: Clips) -> None:
    clips["clip-3"]["tracks"][1] += [1.5, 0]


def in_half_precision(clips: Clips) -> None:
    clips["clip-4"]["tracks"] = clips["clip-4"]["tracks"].astype(np.float16)


def in_whole_pixels(clips: Clips) -> None:
    clips["clip-4"]["tracks"] = np.rint(clips["clip-4"]["tracks"]).astype(np.int32)


def a_frame_late(clips: Clips) -> None:
    xy = clips["clip-5"]["tracks"]
    clips["clip-5"]["tracks"] = np.concatenate([xy[:, :1], xy[:, :-1]], axis=1)


def a_frame_early(clips: Clips) -> None:
    xy = clips["clip-5"]["tracks"]
    clips["clip-5"]["tracks"] = np.concatenate([xy[:, :1], xy[:, 2:], xy[:, -1:]], axis=1)


def inverted_but_for_the_query(clips: Clips) -> None:
    hidden = ~clips["clip-1"]["occluded"]
    hidden[:, 0] = False
    clips["clip-1"]["occluded"] = hidden


@pytest.mark.parametrize(
    ("damage", "expected"),
    [
        (one_point, "1 of 42 points are more than 1 px from their query in its frame, in 1 of 7 clips; most of them in"),
        (a_little, "1 of 42 points are more than 1 px from their query in its frame, in 1 of 7 clips; most of them in clip-3"),
        (inverted, "visibility looks inverted in 1 of 7 clips, the first is clip-6"),
        (inverted_but_for_the_query, "visibility looks inverted in 1 of 7 clips, the first is clip-1"),
        (in_half_precision, "positions are float16 in 1 of 7 clips, the first is clip-4"),
        (in_whole_pixels, "positions are int32 in 1 of 7 clips, the first is clip-4: whole pixels; save float32"),
        (a_frame_late, "tracks are a frame late in 1 of 7 clips, the first is clip-5: they fit the true tracks"),
        (a_frame_early, "tracks are a frame early in 1 of 7 clips, the first is clip-5"),
        (half_a_pixel, "in 7 of 7 clips, the first is clip-0, positions look like this mistake: half a pixel too small"),
        (half_a_pixel_in_two, "in 2 of 7 clips, the first is clip-2, positions look like this mistake: half a pixel too large"),
        (exchanged, "in 1 of 7 clips, the first is clip-6, positions look like this mistake: (y, x) in place of (x, y)"),
        (around_the_middle, "in 1 of 7 clips, the first is clip-3, positions look like this mistake: fractions from -1 to 1"),
        (of_the_source, "in 1 of 7 clips, the first is clip-3, positions look like this mistake: pixels of the clip's own"),
    ],
)  # fmt: skip
def test_every_clip_and_every_point_is_looked_at(
    tmp_path: Path, damage: Callable[[Clips], None], expected: str
) -> None:
    root = write_davis(tmp_path / "data", clips=7)
    clips = {clip: {name: np.array(array) for name, array in arrays.items()} for clip, arrays in truth(root).items()}
    damage(clips)
    (doubt,) = told(root, tmp_path, clips)
    assert doubt.startswith(f"doubtful: {expected}")


def test_correct_predictions_give_no_warning(tmp_path: Path) -> None:
    root = write_davis(tmp_path / "data", clips=7)
    assert told(root, tmp_path, truth(root)) == []


def test_half_a_pixel_is_found_in_fractions_of_the_frame(tmp_path: Path) -> None:
    root = write_davis(tmp_path / "data", clips=7)
    clips = {clip: {**arrays, "tracks": arrays["tracks"] / 256} for clip, arrays in truth(root).items()}
    clips["clip-2"]["tracks"] = clips["clip-2"]["tracks"] - 0.5 / 64  # in pixels of the source
    clips["clip-4"]["tracks"] = clips["clip-4"]["tracks"] - 0.5 / 256  # of the tracker's input
    path = save_npz(tmp_path / "theirs.npz", clips)
    opened = open_submission(path, "davis", data_root=root, declared=Convention("NT", "xy", "normalised"))
    with logged() as said:
        score_submission(opened, "theirs", Path("scored"), figures=0)
    assert [line for line in said if "doubtful" in line] == [
        "doubtful: in 2 of 7 clips, the first is clip-2, positions look like this mistake: half a pixel too small (pixel "
        "centres at whole numbers); pixel centres are at +0.5: subtract 0.5 from queries on the way in and add 0.5 to "
        "positions on the way out"
    ]
