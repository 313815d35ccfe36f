"""The clips that get a player: the worst ones of those whose frames and tracks are available."""

from __future__ import annotations

import logging
from collections.abc import Sequence
from dataclasses import dataclass
from functools import cached_property
from pathlib import Path

import pandas as pd

from vgmae_bench.compare.report import player_files
from vgmae_bench.compare.row import Row, clip_values
from vgmae_bench.data.dataset import OpenedDataset
from vgmae_bench.errors import BadDataError, UserError
from vgmae_bench.evaluation.protocols import EvalProtocol, query_sets

_log = logging.getLogger(__name__)

RANKED_BY = "average_jaccard"


@dataclass(frozen=True)
class ShownClip:
    """One clip in a report.

    Attributes:
        id: the clip's id.
        clip: frames and ground truth.
        tracks: of each run that has them, by the run's place in the table.
        values: `RANKED_BY` of each run, a fraction or NaN.
    """

    id: str
    clip: player_files.PlayerClip
    tracks: dict[int, player_files.PlayerTracks]
    values: list[float]


def worst_first(rows: Sequence[Row]) -> dict[str, list[float]]:
    """`RANKED_BY` of each run by clip (a fraction, or NaN), sorted by the mean over runs, the worst clip first."""
    table = pd.DataFrame([clip_values(row, RANKED_BY) for row in rows])  # runs by clips
    ranked = table.mean().sort_values(kind="stable")  # clips without a value last
    return {str(clip): table[clip].tolist() for clip in ranked.index}


@dataclass(frozen=True)
class PlayerSource:
    """Frames and tracks for players, of runs that follow one protocol.

    Attributes:
        rows: the runs in the order of the table.
        data_root: where the dataset is, for clips without stored frames; see `vgmae_bench.data.files.root`.
        max_points: how many tracks of a clip to show.
        keep: write the players' files beside the runs, small enough to commit.

    Raises:
        StorageError: (by `collect`) with `keep`, if a file cannot be written.
    """

    rows: Sequence[Row]
    data_root: Path | None
    max_points: int
    keep: bool

    def collect(self, ranked: dict[str, list[float]], number: int) -> list[ShownClip]:
        """Collect the first `number` clips that have frames and tracks of a run, in the order of `ranked`."""
        found: list[ShownClip] = []
        for clip, values in ranked.items():
            if len(found) == number:
                break
            shown = self._kept_clip(clip) or self._clip_from_dataset(clip)
            tracks = self._tracks(clip, shown) if shown else {}
            if shown and tracks:
                found.append(ShownClip(clip, shown, tracks, values))
                if self.keep:
                    self._keep(found[-1])
        return found

    @property
    def _protocol(self) -> EvalProtocol:
        return self.rows[0].record.protocol

    @cached_property
    def _dataset(self) -> OpenedDataset | None:
        """The dataset of the runs, or None if it cannot be opened here."""
        from vgmae_bench.data.open import open_dataset

        used = self.rows[0].record.dataset
        try:
            opened = open_dataset(used.name, used.settings, self.data_root)
            if self._protocol.digest(opened.digest) == self.rows[0].protocol_digest:
                return opened
            why = "the data here are not the data of the runs"
        except UserError as error:
            why = error.reason
        _log.warning(f"no frames of {self.rows[0].dataset}: {why}")
        return None

    def _kept_clip(self, clip: str) -> player_files.PlayerClip | None:
        digest = self.rows[0].protocol_digest
        for path in dict.fromkeys(player_files.clip_path(row.run, digest, clip) for row in self.rows):
            try:
                return player_files.read_clip(path)
            except FileNotFoundError:
                continue
            except BadDataError as error:
                _log.warning(f"left out: {error.reason}")
        return None

    def _clip_from_dataset(self, clip: str) -> player_files.PlayerClip | None:
        """Frames and ground truth from the dataset, if a run has a prediction of the clip."""
        if not any(row.run.has_prediction(clip) for row in self.rows) or self._dataset is None:
            return None
        opened = self._dataset.clip(clip)
        for frames, query_set in query_sets(opened, self._protocol):
            most = min(len(frames) * player_files.FRAME_BYTES, player_files.CLIP_BYTES)
            return player_files.make_clip(
                frames,
                query_set,
                self._protocol,
                shape=opened.size if self._protocol.resize == "lanczos" else self._protocol.input_size,
                fps=opened.fps,
                max_points=self.max_points,
                max_bytes=player_files.KEPT_BYTES if self.keep else most,
            )
        return None

    def _tracks(self, clip: str, shown: player_files.PlayerClip) -> dict[int, player_files.PlayerTracks]:
        """Tracks by the run's place: from its prediction, or else from the player's file."""
        tracks = {}
        for place, row in enumerate(self.rows):
            try:
                if not row.run.has_prediction(clip):
                    tracks[place] = player_files.read_tracks(player_files.tracks_path(row.run, clip), shown)
                elif answered := row.run.read_prediction(clip):
                    tracks[place] = player_files.make_tracks(shown, answered[0][1], self._protocol)
            except FileNotFoundError:
                continue
            except UserError as error:
                _log.warning(f"left out: {error.reason}")
        return tracks

    def _keep(self, shown: ShownClip) -> None:
        for place, tracks in shown.tracks.items():
            run = self.rows[place].run
            player_files.write_clip(player_files.clip_path(run, self.rows[0].protocol_digest, shown.id), shown.clip)
            player_files.write_tracks(player_files.tracks_path(run, shown.id), tracks, shown.clip)
