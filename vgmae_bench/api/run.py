"""One run as a Python object, with its scores, predictions and clips."""

from __future__ import annotations

import html
from collections.abc import Iterator, Mapping
from functools import cached_property
from pathlib import Path
from typing import TYPE_CHECKING, Any

from vgmae_bench.compare.row import HEADLINE, Row
from vgmae_bench.errors import MissingDataError
from vgmae_bench.evaluation.records.results import Record, Summary
from vgmae_bench.evaluation.store import RunFolder
from vgmae_bench.types import Clip, Tracks

if TYPE_CHECKING:
    import pandas as pd
    from PIL import Image

    from vgmae_bench.data.dataset import OpenedDataset


class Run:
    """A scored run.

    Attributes:
        path: the run's folder.
        record: method, dataset, machine and code of the run.
        summary: scores as fractions, with their intervals.
    """

    def __init__(self, folder: RunFolder, dataset: OpenedDataset | None = None) -> None:
        """Read a run.

        Arguments:
            folder: of a run that was scored.
            dataset: of the run; None: it is opened by its name at the first access to a clip.

        Raises:
            MissingDataError: there is no such run, or it was not scored.
        """
        summary = folder.summary() if folder.path.is_dir() else None
        if summary is None:
            raise MissingDataError(f"{folder.path} is no scored run", "it has no summary.json")
        self._folder, self._dataset = folder, dataset
        self.path: Path = folder.path
        self.record: Record = folder.record()
        self.summary: Summary = summary

    @property
    def row(self) -> Row:
        """The run in the form for tables and plots."""
        return Row(self._folder, self.record, self.summary)

    @cached_property
    def metrics(self) -> pd.DataFrame:
        """A row for each clip (for each of its query sets, where a protocol has several), all metrics as fractions."""
        return self.row.query_sets

    @cached_property
    def tracks(self) -> pd.DataFrame:
        """A row for each query, with `clip`, `track`, `query_frame` and the metrics of that track alone."""
        import pandas as pd

        path = self.path / "metrics_per_track.csv.gz"
        if not path.is_file():
            raise MissingDataError(f"{self.path} has no scores of single tracks", f"there is no {path.name}")
        return pd.read_csv(path, dtype={"clip": str}, keep_default_na=False, na_values=[""])

    @property
    def predictions(self) -> Mapping[str, Tracks]:
        """The answers by clip id, in raster pixels of the frames that the method was given (256 × 256 in TAP-Vid)."""
        return Predictions(self._folder, list(dict.fromkeys(self.metrics["clip"])))

    def clip(self, clip_id: str) -> Clip:
        """A clip of the run's dataset, with its frames and true tracks.

        Raises:
            UnknownNameError: the dataset has no such clip.
            UserError: the dataset cannot be opened.
        """
        return self._opened.clip(clip_id)

    def figure(self, clip_id: str) -> Image.Image:
        """Frames of a clip with the predicted tracks on them. Hidden points are rings.

        Raises:
            MissingDataError: the clip has no prediction.
            UserError: the dataset cannot be opened.
        """
        from PIL import Image

        from vgmae_bench.evaluation.run import draw_clips

        drawn = draw_clips(self._folder, self._opened, [clip_id], self.record.protocol)
        if not drawn:
            raise MissingDataError(f'The run has no prediction of "{clip_id}"', f"looked in {self.path}/predictions")
        with Image.open(drawn[0]) as picture:
            return picture.copy()

    @cached_property
    def _opened(self) -> OpenedDataset:
        if self._dataset is not None:
            return self._dataset
        from vgmae_bench.data.open import open_dataset

        found = open_dataset(self.record.dataset.name, self.record.dataset.settings)
        if found.digest != self.record.dataset.digest:
            raise MissingDataError(
                f"The data of {self.record.dataset.name} are not those of the run",
                f"their digest is {found.digest[:8]}, it was {self.record.dataset.digest[:8]}",
            )
        return found

    def __repr__(self) -> str:
        scores = ", ".join(f"{label} {self.row.values(metric)[0]:.2f}" for metric, label in HEADLINE.items())
        row = self.row
        return f"<Run of {row.method} on {row.dataset}, {row.protocol}: {scores}, clips {row.clips}; {self.path}>"

    def _repr_html_(self) -> str:
        row = self.row
        cells = [(label, "{:.2f} [{:.1f}, {:.1f}]".format(*row.values(metric))) for metric, label in HEADLINE.items()]
        lines = "".join(f"<tr><th>{html.escape(label)}</th><td>{value}</td></tr>" for label, value in cells)
        title = html.escape(f"{row.method} on {row.title}")
        return f"<table><caption>{title}, clips {row.clips}</caption>{lines}</table><code>{html.escape(str(self.path))}</code>"


class Predictions(Mapping[str, Tracks]):
    """The predictions of a run by clip id, read on demand."""

    def __init__(self, folder: RunFolder, ids: list[str]) -> None:
        self._folder, self._ids = folder, [clip_id for clip_id in ids if folder.has_prediction(clip_id)]

    def __getitem__(self, clip_id: str) -> Tracks:
        if clip_id not in self._ids:
            raise KeyError(clip_id)
        answered: Any = self._folder.read_prediction(clip_id)
        if len(answered) > 1:
            raise KeyError(f"{clip_id} has {len(answered)} query sets: use read_prediction of its RunFolder")
        return answered[0][1]  # type: ignore[no-any-return]  # tracks, by the contract of the store

    def __iter__(self) -> Iterator[str]:
        return iter(self._ids)

    def __len__(self) -> int:
        return len(self._ids)
