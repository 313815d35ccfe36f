"""All output of a training. One process writes it for all processes."""

from __future__ import annotations

import logging
from collections.abc import Sequence
from fractions import Fraction
from functools import partial
from pathlib import Path
from typing import Any, NamedTuple

import numpy as np
import numpy.typing as npt
from lightning_fabric.loggers.logger import Logger

from vgmae_bench.config import Json
from vgmae_bench.data.video.write import write_mp4
from vgmae_bench.files import write_atomically
from vgmae_bench.progress.bar import Progress
from vgmae_bench.provenance import peak_memory_mb
from vgmae_bench.training.checkpoint import State
from vgmae_bench.training.folder import TrainingFolder
from vgmae_bench.training.log import Log, Row, draw_curve
from vgmae_bench.training.recipe import Recipe, Source, evaluating
from vgmae_bench.training.settings import LoopConfig
from vgmae_bench.training.watch import METRICS, Watch

_log = logging.getLogger(__name__)

EXAMPLES = 2
"""Number of clips in a picture."""
FILM_RATE = Fraction(2)
"""Frames per second of the video of the last clip, slow enough for comparison."""


class Due(NamedTuple):
    """The output that is due after a step."""

    log: bool
    validate: bool
    picture: bool
    keep: bool

    @classmethod
    def after(cls, step: int, config: LoopConfig) -> Due:
        """The output that is due after step `step`. After the last step, everything is due."""

        def due(every: int) -> bool:
            return step == config.steps or (every > 0 and step % every == 0)

        validate = due(config.validate_every)
        return cls(validate or due(config.log_every), validate, due(config.picture_every), due(config.checkpoint_every))


class TrainingLogger:
    """Writes log, checkpoints, weights, curve and pictures of a training, and displays its progress.

    Arguments:
        state: the present state; read at each output.
        device: device of the examples and of the tracker.
        loggers: where else the lines of the log go.
    """

    def __init__(
        self,
        recipe: Recipe[Any, Any],
        source: Source[Any],
        folder: TrainingFolder,
        state: State,
        device: str,
        loggers: Sequence[Logger] = (),
    ) -> None:
        self._loggers = loggers
        self._recipe, self._source, self._folder, self._state, self._device = recipe, source, folder, state, device
        self._said = set[Path]()
        config = recipe.config
        self._watch = Watch(config.validate_clips) if config.validate_clips else None
        self._log = Log(folder.log, state.step, METRICS if self._watch else ())
        self._progress = Progress("training", "steps", config.steps, done=state.step)

    @property
    def last(self) -> Row:
        """The last line of the log."""
        return self._log.rows[-1] if self._log.rows else {}

    def tick(self) -> None:
        """Report a finished step."""
        self._progress.advance()

    def log(self, lr: float, *, validate: bool) -> None:
        """Write a line of the log, with the means of the meter and the results of validation; `lr` is that of the last step."""
        state, last = self._state, self.last
        steps, seconds = state.step - (last.get("step") or 0), state.seconds - (last.get("seconds") or 0)
        row: Row = {
            "step": state.step,
            "lr": lr,
            "seconds": state.seconds,
            "clips_per_second": steps * self._recipe.config.data.batch_size / seconds,
            **state.meter.means(),
        }
        measured = self._validate() if validate else {}
        row |= measured
        self._log.add(row)
        for logger in self._loggers:
            values = {name: value for name, value in row.items() if value is not None and name != "step"}
            logger.log_metrics(values, step=state.step)
        told = f"loss {row['loss']:.4g}, {row['clips_per_second']:.1f} clips/s, {peak_memory_mb():.0f} MB"
        self._progress.note(told)
        if measured:
            delta, floor, error, correlation = (measured[name] for name in METRICS)
            _log.info(
                f"step {state.step}: {told}, δ_avg {100 * delta:.1f} (zero-motion {100 * floor:.1f}), "
                f"motion: error {error:.2f}, correlation {correlation:.2f}"
            )
        for path, why in self._source.skipped().items():
            if path not in self._said:
                _log.warning(f"skipped: {why}")
                self._said.add(path)

    def draw(self) -> None:
        """Draw the curve, and the model's results for some clips."""
        step = self._state.step
        batch = self._source.examples(EXAMPLES, self._recipe.shape(step - 1), self._device)
        path = self._folder.pictures / f"step_{step:06d}.png"
        frames: list[npt.NDArray[np.uint8]] = []
        write_atomically(path, lambda temporary: frames.extend(self._best.pictures(batch, temporary) or ()))
        if frames:
            write_atomically(self._folder.pictures / "last.mp4", partial(write_mp4, frames=frames, fps=FILM_RATE))
        draw_curve(self._log.rows, self._folder.curve, METRICS)

    def keep(self) -> None:
        """Write weights and progress, then the checkpoint."""
        state, folder = self._state, self._folder
        done: dict[str, Json] = {
            "step": state.step,
            "of": self._recipe.config.steps,
            "clips": state.step * self._recipe.config.data.batch_size,
        }
        identity = folder.identity
        # No times here, so that the same training always gives the same file.
        self._best.export(folder.weights, {"training": identity.to_json(), "digest": identity.digest, **done})
        folder.note_progress({**done, "seconds": round(state.seconds, 1), "last": dict(self.last)})
        state.save(folder.checkpoint, folder.digest)

    @property
    def _best(self) -> Recipe[Any, Any]:
        """The recipe with the weights for validation and export."""
        return self._recipe.around(self._state.best)

    def _validate(self) -> dict[str, float]:
        """`METRICS` of the present network; empty without validation, or if the network cannot track yet."""
        if self._watch is None:
            return {}
        with evaluating(self._state.best):
            tracker = self._best.tracker(self._device)
            return {} if tracker is None else self._watch(tracker)

    def close(self) -> None:
        """Close the loggers and the display of progress."""
        self._progress.close()
        for logger in self._loggers:
            logger.finalize("success" if self._state.step >= self._recipe.config.steps else "stopped")
