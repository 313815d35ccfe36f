"""Predictions that can be read and are probably not what was meant are named, however few they are."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path

import numpy as np
import pytest

from tests.clips import write_davis
from tests.evaluation.other_programs.test_external import Clips, save_npz, truth
from tests.logs import logged
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


@pytest.mark.parametrize(
    ("damage", "expected"),
    [
        (one_point, "doubtful: 1 of 42 points are more than 4 px from their query in its frame, in 1 of 7 clips"),
        (inverted, "doubtful: visibility looks inverted in 1 of 7 clips, the first is clip-6"),
        (
            half_a_pixel,
            "doubtful: positions are half a pixel off in 7 of 7 clips, the first is clip-0 (-0.50, -0.50 px)",
        ),
    ],
)
def test_every_clip_and_every_point_is_looked_at(
    tmp_path: Path, damage: Callable[[Clips], None], expected: str
) -> None:
    root = write_davis(tmp_path / "data", clips=7)
    clips = {clip: {name: np.array(array) for name, array in arrays.items()} for clip, arrays in truth(root).items()}
    damage(clips)
    (doubt,) = told(root, tmp_path, clips)
    assert doubt.startswith(expected)


def test_what_is_right_raises_no_doubt(tmp_path: Path) -> None:
    root = write_davis(tmp_path / "data", clips=7)
    assert told(root, tmp_path, truth(root)) == []
