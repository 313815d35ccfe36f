"""Writes two scored runs with kept players, without a dataset and predictions."""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path

import numpy as np

from tests.records import write_run
from vgmae_bench.compare.report import player_files
from vgmae_bench.evaluation.protocols import PROTOCOLS, QuerySet
from vgmae_bench.evaluation.store import RunFolder
from vgmae_bench.types import Queries, Tracks

PROTOCOL = PROTOCOLS["tapvid-first"]
FRAMES, POINTS = 10, 12
ERROR = 6.0
"""The error of the second method in pixels; the first method has none."""


def query_set() -> QuerySet:
    """Points on a grid that move right by 4 px a frame; the last is first seen in frame 5, point 3 is hidden from frame 6."""
    start = np.stack(np.meshgrid([40.0, 90, 140, 190], [60.0, 120, 180]), axis=-1).reshape(POINTS, 2)
    xy = start[:, None] + np.arange(FRAMES)[:, None] * np.array([4.0, 0.0])
    occluded = np.zeros((POINTS, FRAMES), dtype=bool)
    occluded[POINTS - 1, :5] = True
    occluded[3, 6:] = True
    frame = np.array([0] * (POINTS - 1) + [5])
    return QuerySet(Queries(frame, xy[np.arange(POINTS), frame]), np.arange(POINTS), xy, occluded)


def frames() -> np.ndarray:
    """Grey, 20 levels lighter every frame."""
    grey = (20 * np.arange(FRAMES)).astype(np.uint8)
    return np.broadcast_to(grey[:, None, None, None], (FRAMES, 256, 256, 3))


def footage(max_points: int = 64) -> player_files.PlayerClip:
    return player_files.make_clip(
        frames(),
        query_set(),
        PROTOCOL,
        shape=(256, 256),
        fps=20,
        max_points=max_points,
        max_bytes=player_files.KEPT_BYTES,
    )


def write_runs(
    out: Path, clips: Sequence[str] = ("easy", "hard"), names: Sequence[str] = ("exact", "off")
) -> list[Path]:
    """Runs with kept players of all clips. The last clip has the worst score."""
    scores = np.linspace(0.9, 0.3, len(clips))
    folders = [write_run(out, name, list(scores - 0.1 * k), clips=clips) for k, name in enumerate(names)]
    asked, film = query_set(), footage()
    for k, folder in enumerate(folders):
        run = RunFolder(folder)
        tracks = Tracks(asked.target_xy + np.array([0, k * ERROR]), ~asked.target_occluded)
        for clip in clips:
            digest = run.record().protocol_digest
            player_files.write_clip(player_files.clip_path(run, digest, clip), film)
            player_files.write_tracks(
                player_files.tracks_path(run, clip), player_files.make_tracks(film, tracks, PROTOCOL), film
            )
    return folders
