"""Runs from Python: `evaluate` predicts, scores and stores the tracks of a method on a dataset; `evaluate_all` does several.

A sweep file is TOML:

    datasets = ["synth", "warp"]                    # or tables: [[datasets]] name = "synth", settings = { clips = 6 }
    protocols = ["tapvid-first", "tapvid-strided"]  # default: tapvid-first
    seeds = [0]

    [[methods]]
    name = "videogmae"
    weights = "tiny"
    settings = { precision = "float32" }            # for all runs
    grid = { variant = ["flow", "anchors"] }        # a run for every combination of these values

    [[methods]]
    name = "lucas-kanade"
    label = "LK"                                    # its name in tables
"""

from __future__ import annotations

import itertools
import logging
from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

from vgmae_bench import plugins
from vgmae_bench.api.objects import AnyDataset, AnyMethod, dataset_of, method_of
from vgmae_bench.api.run import Run
from vgmae_bench.config import build, config_of, read_toml
from vgmae_bench.errors import PluginError, UsageError, UserError
from vgmae_bench.evaluation import protocols
from vgmae_bench.evaluation.run import Plan, Redo, execute, plan_of

_log = logging.getLogger(__name__)


def evaluate(
    method: AnyMethod,
    dataset: AnyDataset,
    *,
    protocol: str = "tapvid-first",
    weights: str | Path | None = None,
    settings: Mapping[str, Any] | None = None,
    dataset_settings: Mapping[str, Any] | None = None,
    name: str | None = None,
    causal: bool = False,
    out: str | Path = "results",
    data_root: str | Path | None = None,
    limit: int | None = None,
    shard: tuple[int, int] | None = None,
    device: str = "auto",
    seed: int = 0,
    redo: Redo = "nothing",
    figures: int = 0,
    allow_nonfinite: bool = False,
    ask: str | None = None,
    command: str = "",
    on_plan: Callable[[Plan], None] = lambda plan: None,
) -> Run:
    """Track a dataset with a method, score the tracks, and keep both in a results folder.

    Existing predictions are not computed again. Several processes can work on one run.

    Arguments:
        method: a name, `file.py:Class`, a tracker, or a class that makes one.
        dataset: a name, `file.py:Class`, a dataset (`vgmae_bench.Dataset`), or a list of `Clip` objects.
        protocol: "tapvid-first", "tapvid-strided" or "videogmae-release".
        weights: a name that the method knows, a file, or "random"; None: its default ones.
        settings: of the method, see `vgmae-bench show NAME`.
        dataset_settings: of a dataset that is given by name.
        name: the run's name in tables; None: the method with its weights.
        causal: for a tracker or a class: it tracks forward in time only. The harness then runs it on the reversed clip for
            the frames before a query.
        out: the results folder.
        data_root: folder of the datasets; None: the usual one.
        limit: predict only this many clips, from the start.
        shard: (i, n): predict every n-th clip only, beginning with clip i modulo n.
        device: "auto", "cpu" or "cuda".
        seed: for methods that draw random numbers.
        redo: "predictions" or "all" predicts everything again; "metrics" only scores.
        figures: draw the tracks of this many clips, from the start.
        allow_nonfinite: accept infinite and NaN positions; otherwise, clips with such positions fail.
        ask: "single", "frame" or "all" queries in a call, or "all:64" for at most 64; None: one at a time if the method's
            queries are joint, otherwise all.
        command: the command that was typed, for the record.
        on_plan: called with the plan before the work.

    Returns:
        The run. Clips that failed are in `run.summary.failures`.

    Raises:
        UserError: the method or the dataset cannot be found, opened or built, or results cannot be written.
    """
    chosen = protocols.find(protocol, None)
    used = method_of(method, weights=weights, settings=settings, device=device, seed=seed, causal=causal, ask=ask)
    opened = dataset_of(dataset, settings=dataset_settings, data_root=data_root)
    planned = plan_of(used, opened, chosen, out=Path(out), limit=limit, shard=shard, name=name or "")
    on_plan(planned)
    execute(planned, redo=redo, figures=figures, command=command, allow_nonfinite=allow_nonfinite)
    return Run(planned.folder, opened)


@dataclass(frozen=True)
class Job:
    """One run of several. The attributes are arguments of `vgmae_bench.evaluate`."""

    method: str
    dataset: str
    protocol: str = "tapvid-first"
    weights: str | None = None
    settings: Mapping[str, Any] = field(default_factory=dict)
    dataset_settings: Mapping[str, Any] = field(default_factory=dict)
    seed: int = 0
    name: str | None = None

    def __str__(self) -> str:
        weights = f" ({self.weights})" if self.weights else ""
        settings = "".join(f" {key}={value}" for key, value in self.settings.items())
        seed = f", seed {self.seed}" if self.seed else ""
        return f"{self.name or self.method + weights + settings} on {self.dataset}, {self.protocol}{seed}"


@dataclass(frozen=True)
class Outcome:
    """The result of a job: a run or an error."""

    job: Job
    run: Run | None
    error: Exception | None = None

    @property
    def told(self) -> str:
        """The reason why there is no run, or the number of failed clips; empty without failures."""
        if self.error is not None:
            return told(self.error)
        assert self.run is not None  # there is a run or an error
        clips = self.run.summary.clips
        return f"{clips.failed} of {clips.expected} clips failed" if clips.failed else ""


@dataclass(frozen=True)
class SweepMethod:
    """A method of a sweep file; see the top of this module."""

    name: str = ""
    weights: str | None = None
    settings: dict[str, Any] = field(default_factory=dict)
    grid: dict[str, list[Any]] = field(default_factory=dict)
    label: str | None = None


@dataclass(frozen=True)
class SweepDataset:
    """A dataset of a sweep file; see the top of this module."""

    name: str = ""
    settings: dict[str, Any] = field(default_factory=dict)


@dataclass(frozen=True)
class Sweep:
    """A sweep file; see the top of this module."""

    methods: list[str | SweepMethod] = field(default_factory=list)
    datasets: list[str | SweepDataset] = field(default_factory=list)
    protocols: list[str] = field(default_factory=lambda: ["tapvid-first"])
    seeds: list[int] = field(default_factory=lambda: [0])


def read_sweep(path: Path) -> list[Job]:
    """The runs of a sweep file, checked.

    Raises:
        UsageError: the file is missing or damaged, or names something that there is not.
    """
    sweep = build(Sweep, read_toml(path), owner=path.name)
    for part in ("methods", "datasets", "protocols", "seeds"):
        if not vars(sweep)[part]:
            raise UsageError(f"{path} has no {part}", "every run needs one", try_="vgmae-bench run --help")
    methods = [SweepMethod(method) if isinstance(method, str) else method for method in sweep.methods]
    datasets = [SweepDataset(dataset) if isinstance(dataset, str) else dataset for dataset in sweep.datasets]
    jobs = [
        Job(
            method=method.name,
            dataset=dataset.name,
            protocol=protocol,
            weights=method.weights,
            settings={**method.settings, **chosen},
            dataset_settings=dataset.settings,
            seed=seed,
            name=_label(method.label, chosen),
        )
        for dataset in datasets
        for protocol in sweep.protocols
        for method in methods
        for chosen in _combinations(method.grid)
        for seed in sweep.seeds
    ]
    check_jobs(jobs)
    return jobs


def check_jobs(jobs: Sequence[Job]) -> None:
    """Check all names and settings before any work.

    Raises:
        UserError: a name or a setting is wrong.
    """
    for method in dict.fromkeys(job.method for job in jobs):
        try:
            config_class = config_of(plugins.load(plugins.find("methods", method), "tracker"))
        except PluginError:  # this run will fail; the others continue
            continue
        for job in jobs:
            if job.method != method:
                continue
            if config_class is not None:
                build(config_class, job.settings, owner=method)
            elif job.settings:
                raise UsageError(f"{method} has no settings", f'"{next(iter(job.settings))}" was given')
    for dataset in dict.fromkeys(job.dataset for job in jobs):
        plugins.find("datasets", dataset)
    for protocol in dict.fromkeys(job.protocol for job in jobs):
        protocols.find(protocol, None)


def evaluate_all(jobs: Sequence[Job], **common: Any) -> Iterator[Outcome]:
    """Execute one run after the other. A run that fails does not end the others.

    Arguments:
        jobs: see `read_sweep`.
        common: further arguments of `vgmae_bench.evaluate`.
    """
    for number, job in enumerate(jobs, 1):
        if len(jobs) > 1:
            _log.info(f"run       {number} of {len(jobs)}: {job}")
        try:
            run = evaluate(**vars(job), **common)
        except Exception as error:  # the other runs continue after any error
            if len(jobs) > 1:
                _log.warning(f"failed    {told(error)}")
            yield Outcome(job, None, error)
            continue
        yield Outcome(job, run)


def told(error: Exception) -> str:
    """An error in one line."""
    if isinstance(error, UserError):
        return error.reason
    return f"{type(error).__name__}: {error}"


def _combinations(grid: Mapping[str, Sequence[Any]]) -> Iterator[dict[str, Any]]:
    for values in itertools.product(*grid.values()):
        yield dict(zip(grid, values, strict=True))


def _label(label: str | None, chosen: Mapping[str, Any]) -> str | None:
    """The label of a run: with the values of the grid, so that labels differ."""
    return label and " ".join([label, *(f"{key}={value}" for key, value in chosen.items())])
