"""Which clips get a player, and what it shows: the worst ones of those whose frames and tracks are at hand."""

from __future__ import annotations

import math
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from functools import cached_property
from pathlib import Path

from vgmae_bench.compare.report import packs
from vgmae_bench.compare.selection import Row, clip_values
from vgmae_bench.data.dataset import OpenedDataset
from vgmae_bench.errors import BadDataError, UserError
from vgmae_bench.evaluation.protocols import PROTOCOLS, EvalProtocol, questions

RANKED_BY = "average_jaccard"


@dataclass(frozen=True)
class Shown:
    """One clip in a report.

    Attributes:
        clip: its id.
        footage: frames and truth.
        tracks: of every run that has some, by the run's place in the table.
        values: `RANKED_BY` of every run, a fraction or NaN.
    """

    clip: str
    footage: packs.Footage
    tracks: dict[int, packs.Drawn]
    values: list[float]


def worst_first(rows: Sequence[Row]) -> dict[str, list[float]]:
    """`RANKED_BY` of every run by clip (a fraction, or NaN), clips in ascending order of its mean over runs."""
    by_run = [clip_values(row, RANKED_BY) for row in rows]
    clips = dict.fromkeys(clip for values in by_run for clip in values)
    table = {clip: [values.get(clip, math.nan) for values in by_run] for clip in clips}

    def mean(clip: str) -> float:
        known = [value for value in table[clip] if not math.isnan(value)]
        return sum(known) / len(known) if known else math.inf

    return {clip: table[clip] for clip in sorted(table, key=mean)}


class Films:
    """Frames and tracks of the clips of runs that follow one protocol.

    Arguments:
        rows: the runs, as in the table.
        data_root: of the dataset, for clips whose frames were not kept; see `vgmae_bench.data.files.root`.
        max_points: tracks shown of a clip.
        keep: write what is shown beside the runs, small enough to be committed with them.
        say: told once when the dataset cannot be opened, and of kept files that are damaged.

    Raises:
        StorageError: (by `gather`) with `keep`, when results cannot be written.
    """

    def __init__(
        self,
        rows: Sequence[Row],
        *,
        data_root: Path | None = None,
        max_points: int = 64,
        keep: bool = False,
        say: Callable[[str], None] = lambda text: None,
    ) -> None:
        self.rows, self.data_root, self.max_points, self.keep, self.say = rows, data_root, max_points, keep, say

    def gather(self, ranked: dict[str, list[float]], number: int) -> list[Shown]:
        """The first `number` clips of which there are frames and a run's tracks, in the given order."""
        found: list[Shown] = []
        for clip, values in ranked.items():
            if len(found) == number:
                break
            footage = self._kept_footage(clip) or self._film(clip)
            tracks = self._tracks(clip, footage) if footage else {}
            if footage and tracks:
                found.append(Shown(clip, footage, tracks, values))
                if self.keep:
                    self._keep(found[-1])
        return found

    @cached_property
    def _protocol(self) -> EvalProtocol:
        return PROTOCOLS[self.rows[0].protocol]

    @cached_property
    def _dataset(self) -> OpenedDataset | None:
        """The data that the runs were made on, or None where it cannot be opened here."""
        from vgmae_bench.data.open import open_dataset

        used = self.rows[0].record.dataset
        try:
            opened, _ = open_dataset(used.name, used.settings, self.data_root)
            if self._protocol.digest(opened.digest) == self.rows[0].protocol_digest:
                return opened
            why = "the data here are not those that the runs were made on"
        except UserError as error:
            why = f"{error.what}: {error.why}"
        self.say(f"no frames of {self.rows[0].dataset}: {why}")
        return None

    def _kept_footage(self, clip: str) -> packs.Footage | None:
        digest = self.rows[0].protocol_digest
        for path in dict.fromkeys(packs.footage_path(row.run, digest, clip) for row in self.rows):
            try:
                return packs.read_footage(path)
            except FileNotFoundError:
                continue
            except BadDataError as error:
                self.say(f"left out: {error.what}: {error.why}")
        return None

    def _film(self, clip: str) -> packs.Footage | None:
        """Footage from the dataset, if a run has a prediction to go with it."""
        if not any(row.run.has_prediction(clip) for row in self.rows) or self._dataset is None:
            return None
        opened = self._dataset.clip(clip)
        frames, question = next(questions(opened, self._protocol), (None, None))
        if frames is None or question is None:
            return None
        return packs.film(
            frames,
            question,
            self._protocol,
            shape=opened.size if self._protocol.resize == "lanczos" else self._protocol.input_size,
            fps=opened.fps,
            max_points=self.max_points,
            max_bytes=packs.KEPT_BYTES if self.keep else min(len(frames) * packs.FRAME_BYTES, packs.CLIP_BYTES),
        )

    def _tracks(self, clip: str, footage: packs.Footage) -> dict[int, packs.Drawn]:
        """By the run's place: drawn from its prediction, or else as they were kept."""
        tracks = {}
        for place, row in enumerate(self.rows):
            try:
                if not row.run.has_prediction(clip):
                    tracks[place] = packs.read_drawn(packs.drawn_path(row.run, clip), footage)
                elif answered := row.run.read_prediction(clip):
                    tracks[place] = packs.draw_over(footage, answered[0][1], self._protocol)
            except FileNotFoundError:
                continue
            except UserError as error:
                self.say(f"left out: {error.what}: {error.why}")
        return tracks

    def _keep(self, shown: Shown) -> None:
        for place, drawn in shown.tracks.items():
            run = self.rows[place].run
            packs.keep_footage(packs.footage_path(run, self.rows[0].protocol_digest, shown.clip), shown.footage)
            packs.keep_drawn(packs.drawn_path(run, shown.clip), drawn, shown.footage)
