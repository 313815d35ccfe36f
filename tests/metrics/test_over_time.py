"""Accuracy over time since the query and since a point was last hidden."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import numpy as np
import pandas as pd
import pytest

from vgmae_bench.errors import BadDataError
from vgmae_bench.metrics.over_time import ENDS, accuracy, over_time, read, write
from vgmae_bench.metrics.scored_tracks import ScoredTracks
from vgmae_bench.metrics.tapvid import compute_tapvid


def scored_tracks(seed: int = 0, mode: Any = "strided", tracks: int = 40, frames: int = 30) -> ScoredTracks:
    rng = np.random.default_rng(seed)
    target = rng.uniform(0, 256, (tracks, frames, 2))
    return ScoredTracks(
        query_frame=rng.integers(0, frames, tracks),
        target_xy=target,
        target_occluded=rng.random((tracks, frames)) < 0.3,
        xy=target + rng.normal(0, 5, target.shape),
        occluded=rng.random((tracks, frames)) < 0.5,
        query_mode=mode,
    )


@pytest.mark.parametrize("mode", ["first", "strided"])
def test_all_bins_together_are_the_position_accuracy_of_tapvid(mode: Any) -> None:
    given = scored_tracks(mode=mode)
    table = over_time(given)
    total = table[table["since"] == "query"].drop(columns="since").sum()
    assert total["visible"] == np.count_nonzero(given.evaluated & ~given.target_occluded)
    expected = compute_tapvid(given)
    for k in given.thresholds:
        assert total[f"within_{k}"] / total["visible"] == expected[f"pts_within_{k}"]


@pytest.mark.parametrize("mode", ["first", "strided"])
def test_counts_equal_a_frame_by_frame_loop(mode: Any) -> None:
    given = scored_tracks(mode=mode, tracks=12)
    expected: dict[tuple[str, int], list[int]] = {}
    for track, query in enumerate(given.query_frame):
        for step in (1, -1):
            hidden_at = None
            frame = query + step
            while 0 <= frame < given.target_xy.shape[1]:
                if given.target_occluded[track, frame]:
                    hidden_at = frame
                elif given.evaluated[track, frame]:
                    times = {"query": abs(frame - query)}
                    if hidden_at is not None:
                        times["hidden"] = abs(frame - hidden_at)
                    error = np.linalg.norm(given.xy[track, frame] - given.target_xy[track, frame])
                    for since, time in times.items():
                        row = expected.setdefault((since, int(ENDS[time <= ENDS][0])), [0, 0, 0])
                        row[0] += 1
                        row[1] += not given.occluded[track, frame]
                        row[2] += bool(error < 4)
                frame += step
    columns = ["visible", "called_visible", "within_4"]
    assert {(row["since"], row["last_frame"]): list(row[columns]) for _, row in over_time(given).iterrows()} == expected


def test_the_file_sums_the_queries_of_a_clip_and_is_read_as_written(tmp_path: Path) -> None:
    given = over_time(scored_tracks(0)), over_time(scored_tracks(1))
    write(tmp_path / "t.csv", [("007", given[0]), ("NA", given[0]), ("007", given[1])])
    table = read(tmp_path / "t.csv")
    assert list(table["clip"].unique()) == ["007", "NA"]  # names stay text
    written = table.loc[table["clip"] == "007", "within_8"].sum()
    assert written == given[0]["within_8"].sum() + given[1]["within_8"].sum()


def test_accuracy_is_a_fraction_of_the_visible_frames_averaged_over_thresholds() -> None:
    counts = {"visible": 8, "called_visible": 6, "within_1": 0, "within_2": 2, "within_4": 4, "within_8": 8}
    table = pd.DataFrame([{"clip": "a", "since": "query", "first_frame": 1, "last_frame": 1, **counts}])
    (found,) = accuracy(table).to_dict("records")
    assert (found["position"], found["visibility"]) == (14 / 32, 0.75)


@pytest.mark.parametrize(
    "damage", [lambda text: text.replace("format 1", "format 2"), lambda text: text[:60], str.upper]
)
def test_a_file_of_another_format_or_cut_short_is_refused(tmp_path: Path, damage: Any) -> None:
    path = tmp_path / "t.csv"
    write(path, [("a", over_time(scored_tracks()))])
    path.write_text(damage(path.read_text()))
    with pytest.raises(BadDataError, match=r"t\.csv cannot be read"):
        read(path)
