"""Accuracy over time: counts by the time since the query, and by the time since a point was last hidden.

Scoring writes these counts to metrics_over_time.csv. Plots of accuracy over time then need no prediction files.
"""

from __future__ import annotations

from pathlib import Path
from typing import Any

import numpy as np
import numpy.typing as npt
import pandas as pd

from vgmae_bench.errors import BadDataError
from vgmae_bench.metrics.scored_tracks import ScoredTracks

FORMAT = 1
HEADER = f"# vgmae-bench metrics over time, format {FORMAT}\n"
"""The first line of the file. Readers refuse files with another first line."""

KEYS = ["since", "first_frame", "last_frame"]
COUNTS = ["visible", "called_visible"]
"""Columns of counts. One column within_<k> for each threshold k of the protocol comes in addition."""

ENDS = np.unique([scale * 2**power for power in range(13) for scale in (1, 3)])
"""The last frame of each bin: 1, 2, 3, 4, 6, 8, 12, 16, 24, … Two bins per octave keep the file small."""


def over_time(scored: ScoredTracks) -> pd.DataFrame:
    """Counts of scored frames in which the point is visible, in bins of time.

    Each row is one bin. Its columns are:
        since: "query", or "hidden" (the point was hidden after the query and is visible again).
        first_frame, last_frame: the bin's range. Frame 1 is the first frame after the query, or the first frame in
            which the point is visible again.
        visible: the number of (track, frame) pairs.
        called_visible: how many of them are predicted visible.
        within_<k>: how many of them are nearer than k px of the metric raster. As in TAP-Vid's position accuracy, the
            predicted visibility does not matter.

    "strided" query sets also score the frames before the query. There, time runs backward.
    """
    frames, query = np.arange(scored.target_xy.shape[1]), scored.query_frame[:, None]
    seen = scored.evaluated & ~scored.target_occluded
    with np.errstate(over="ignore", invalid="ignore"):  # a prediction may be infinite
        squared = np.square(scored.xy - scored.target_xy).sum(axis=-1)
    flags = {"visible": seen, "called_visible": seen & ~scored.occluded}
    flags |= {f"within_{k}": seen & (squared < k * k) for k in scored.thresholds}
    times = {
        "query": np.abs(frames - query),
        "hidden": _since_hidden(scored.target_occluded, scored.query_frame),
    }
    return pd.concat([_binned(since, time, flags) for since, time in times.items()], ignore_index=True)


def _since_hidden(hidden: npt.NDArray[np.bool_], query: npt.NDArray[np.int64]) -> npt.NDArray[np.int64]:
    """int64 [M, T]: frames since each point was last hidden, counted away from its query; 0 if it was never hidden."""
    frames = np.arange(hidden.shape[1])

    def forward(hidden: npt.NDArray[np.bool_], query: npt.NDArray[np.int64]) -> npt.NDArray[np.int64]:
        last = np.maximum.accumulate(np.where(hidden & (frames > query[:, None]), frames, -1), axis=1)
        return np.where(last < 0, 0, frames - last)

    backward = forward(hidden[:, ::-1], hidden.shape[1] - 1 - query)[:, ::-1]
    return np.where(frames > query[:, None], forward(hidden, query), backward)


def _binned(since: str, time: npt.NDArray[np.int64], flags: dict[str, npt.NDArray[np.bool_]]) -> pd.DataFrame:
    bins = np.searchsorted(ENDS, time)
    table = pd.DataFrame(
        {name: np.bincount(bins[flag & (time > 0)], minlength=len(ENDS)) for name, flag in flags.items()}
    )
    table.insert(0, "last_frame", ENDS)
    table.insert(0, "first_frame", np.concatenate([[1], ENDS[:-1] + 1]))
    table.insert(0, "since", since)
    return table[table["visible"] > 0]


def write(path: Path, clips: list[tuple[str, pd.DataFrame]]) -> None:
    """Write the counts of many query sets as CSV.

    Arguments:
        clips: pairs of a clip id and the result of `over_time`. Counts of the same clip are added.
    """
    table = pd.concat([counts.assign(clip=clip) for clip, counts in clips], ignore_index=True)
    table = table.groupby(["clip", *KEYS], sort=False).sum().reset_index()
    with path.open("w", encoding="utf-8", newline="") as file:
        file.write(HEADER)
        table.to_csv(file, index=False, lineterminator="\n")


def read(path: Path) -> pd.DataFrame:
    """Read a file that `write` wrote.

    Returns:
        Columns clip, since, first_frame, last_frame, visible, called_visible, within_<k>.

    Raises:
        FileNotFoundError: the file does not exist, because an earlier version scored the run.
        BadDataError: the file has another format or is damaged.
    """
    try:
        with path.open(encoding="utf-8", newline="") as file:
            if file.readline() != HEADER:
                raise ValueError("its first line is not that of this format")
            # Clip ids such as "007" and "NA" must stay text. The file has no missing values.
            table = pd.read_csv(file, dtype={"clip": str}, keep_default_na=False)
        missing = {"clip", *KEYS, *COUNTS} - set(table.columns)
        if missing:
            raise ValueError(f"it has no column {', '.join(sorted(missing))}")
    except ValueError as error:  # pandas raises subclasses of ValueError for damaged files
        raise BadDataError(f"{path} cannot be read", str(error), try_="vgmae-bench run … --redo metrics") from error
    return table


def accuracy(table: pd.DataFrame) -> pd.DataFrame:
    """Fractions of the visible track-frames of each row: `position`, averaged over thresholds, and `visibility`."""
    within: Any = table.filter(regex=r"^within_\d+$")
    return table[["clip", *KEYS]].assign(
        position=within.mean(axis=1) / table["visible"], visibility=table["called_visible"] / table["visible"]
    )
