"""Sends the log of a training to TensorBoard or Weights & Biases, through the loggers of Lightning Fabric."""

from __future__ import annotations

import hashlib
import importlib.util
from argparse import Namespace
from collections.abc import Sequence
from pathlib import Path
from typing import Any

from lightning_fabric.loggers.logger import Logger
from lightning_fabric.loggers.tensorboard import TensorBoardLogger

from vgmae_bench.errors import UsageError

NAMES = ("tensorboard", "wandb")
"""What `--log-to` takes: names of extras of this package, and of the modules that they install."""
PROJECT = "vgmae-bench"
"""The project of Weights & Biases."""


def check_installed(names: Sequence[str]) -> None:
    """Raise UsageError unless the packages behind the loggers are installed."""
    for name in names:
        if name not in NAMES:
            raise UsageError(f'A training cannot be logged to "{name}"', f"there are {' and '.join(NAMES)}")
        if importlib.util.find_spec(name) is None:
            raise UsageError(
                f"Logging to {name} needs the extra {name}",
                f"the package {name} is not installed",
                try_=f"pip install 'vgmae-bench[{name}]'",
            )


def open_loggers(names: Sequence[str], out: Path, step: int, config: dict[str, Any]) -> list[Logger]:
    """Open loggers of a training. Only the first process may call it.

    Arguments:
        names: some of `NAMES`.
        out: the folder of the training. TensorBoard's files go to `out/tensorboard`.
        step: the step at which training continues. TensorBoard hides what it has of later steps.
        config: settings, for Weights & Biases.

    Raises:
        UsageError: a package is not installed.
    """
    check_installed(names)
    return [
        TensorBoardLogger(out, name, version="", purge_step=step + 1)
        if name == "tensorboard"
        else WandbLogger(out, config)
        for name in dict.fromkeys(names)
    ]


class WandbLogger(Logger):
    """Fabric's interface to Weights & Biases. A training that continues in its folder continues its run there.

    The environment variables of wandb apply, for instance WANDB_MODE=offline.

    Arguments:
        out: the folder of the training. Its name is the run's name.
        config: the settings of the training.
    """

    def __init__(self, out: Path, config: dict[str, Any]) -> None:
        import wandb  # type: ignore[import-not-found,unused-ignore]  # an extra

        self._id = hashlib.sha256(str(out.resolve()).encode()).hexdigest()[:16]
        out.mkdir(parents=True, exist_ok=True)
        self._run = wandb.init(
            project=PROJECT, name=out.name, id=self._id, resume="allow", dir=str(out), config=dict(config)
        )

    @property
    def name(self) -> str:
        """The project."""
        return PROJECT

    @property
    def version(self) -> str:
        """The run's id."""
        return self._id

    def log_metrics(self, metrics: dict[str, float], step: int | None = None) -> None:
        """Send the values of a step."""
        self._run.log(metrics, step=step)

    def log_hyperparams(self, params: dict[str, Any] | Namespace, *args: Any, **kwargs: Any) -> None:
        """Add settings to the run."""
        self._run.config.update(params if isinstance(params, dict) else vars(params))

    def finalize(self, status: str) -> None:
        """End the run."""
        self._run.finish(exit_code=0 if status == "success" else 1)
