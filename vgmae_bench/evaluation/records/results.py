"""The JSON files of runs as dataclasses. `json_files` reads and writes them.

A file carries a schema number. Files of an older schema are brought up to date as they are read (see `migrate`); files of
a newer one are refused. Reading needs neither torch nor pandas nor h5py.
"""

from __future__ import annotations

import datetime
from dataclasses import dataclass, field, replace
from typing import Any

from vgmae_bench import config, provenance
from vgmae_bench.data.dataset import Coverage
from vgmae_bench.evaluation.protocols import EvalProtocol
from vgmae_bench.evaluation.records.json_files import read as read
from vgmae_bench.evaluation.records.json_files import text_of as text_of
from vgmae_bench.evaluation.records.json_files import validated
from vgmae_bench.evaluation.records.json_files import write as write
from vgmae_bench.evaluation.records.migrate import SCHEMA

SESSION_SOURCE = "session-"
"""How `MethodUsed.source` begins for a tracker that was defined in a Python session. A unique part follows."""
Interval = tuple[float | None, float | None]
"""Ends of a 95 % bootstrap interval over clips; None where there is none."""


@dataclass(frozen=True)
class WeightsUsed:
    """A weights file: its name, and the SHA-256 (hex) of its bytes."""

    name: str
    sha256: str


@dataclass(frozen=True)
class MethodUsed:
    """A method as it was built.

    Attributes:
        name: as after `--method`.
        settings: all of them, defaults included.
        seed: for methods that draw random numbers.
        source: SHA-256 (hex) of its Python file, for a method from a file; None for an installed one. For a tracker from
            a Python session, `SESSION_SOURCE` and a part that no other run has.
        weights: None where it was built without a weights file.
        note: what the method says of itself ("random weights"); may be empty.
        without_effect: those of `settings` that do not change the answers and differ from their defaults: their defaults,
            which stand in for them in a run's key.
    """

    name: str
    settings: dict[str, Any] = field(default_factory=dict)
    seed: int = 0
    source: str | None = None
    weights: WeightsUsed | None = None
    note: str = ""
    without_effect: dict[str, Any] = field(default_factory=dict)

    @property
    def label(self) -> str:
        """The name with its weights and its note: "videogmae (tiny)"."""
        details = ", ".join(part for part in (self.weights.name if self.weights else "", self.note) if part)
        return f"{self.name} ({details})" if details else self.name


@dataclass(frozen=True)
class DatasetUsed:
    """A dataset as it was opened.

    Attributes:
        name: as after `--dataset`.
        digest: SHA-256 (hex) of everything in it that scores depend on.
        settings: those that the user gave.
        options: all settings, defaults included.
        published_clips: how many clips the published set has; None where there is no such number.
        coverage: how much of the published set was there; None where the dataset does not say.
        files: names of the files that it was read from.
    """

    name: str
    digest: str
    settings: dict[str, Any] = field(default_factory=dict)
    options: dict[str, Any] = field(default_factory=dict)
    published_clips: int | None = None
    coverage: Coverage | None = None
    files: list[str] = field(default_factory=list)


@dataclass(frozen=True)
class Commit:
    """The Git commit that the code was run from, and whether files differed from it."""

    id: str
    dirty: bool


@dataclass(frozen=True)
class Maker:
    """The code and the device that predicted a clip."""

    vgmae_bench: str
    commit: Commit | None
    device: str


@dataclass(frozen=True)
class Session:
    """One process that worked on something: when, with which command, code and machine. No paths, no host names."""

    started: str
    command: str
    vgmae_bench: str
    commit: Commit | None
    python: str
    platform: str
    packages: dict[str, str | None]
    device: str
    processes: int = 1

    @classmethod
    def now(cls, device: str, command: str, processes: int = 1) -> Session:
        """This process, computing on `device` ("cpu", "cuda:0", …)."""
        started = datetime.datetime.now(datetime.UTC).isoformat(timespec="seconds")
        about = {"started": started, "command": command, "processes": processes, **provenance.collect(device)}
        return validated(cls, about)

    @property
    def maker(self) -> Maker:
        """The code and the device of this process."""
        return Maker(self.vgmae_bench, self.commit, self.device)

    def same_work(self, other: Session) -> bool:
        """Whether the two differ in nothing but when they started."""
        return replace(self, started=other.started) == other


@dataclass(frozen=True)
class ExternalPredictions:
    """A file of predictions that another program wrote.

    Attributes:
        file, sha256: its name and its digest (hex).
        about: what the file says of itself.
        read_as: how its numbers were read, in words.
        doubts: what looks wrong in its numbers, in words.
    """

    file: str
    sha256: str
    about: dict[str, Any]
    read_as: str
    doubts: list[str] = field(default_factory=list)


@dataclass(frozen=True)
class Record:
    """record.json of a run: what was run, where, and with which code.

    Attributes:
        key: SHA-256 (hex) of what the predictions depend on, see `run_key`.
        name: what tables call the run; empty: the method with its weights.
        protocol_digest: SHA-256 (hex) of protocol and data: equal for runs whose numbers compare.
        protocol_sentence: the protocol in one line, as tables print it.
        sessions: every process that predicted or scored, unless it equals one that is listed already.
        external: where the predictions came from, if another program made them.
    """

    schema: int = field(default=SCHEMA, kw_only=True)
    key: str
    name: str = field(default="", kw_only=True)
    method: MethodUsed
    dataset: DatasetUsed
    protocol: EvalProtocol
    protocol_digest: str
    protocol_sentence: str
    sessions: list[Session] = field(default_factory=list)
    external: ExternalPredictions | None = None


def identity(method: MethodUsed, dataset: DatasetUsed, protocol: EvalProtocol) -> dict[str, config.Json]:
    """Everything that the predictions of a run depend on."""
    return {
        "method": method.name,
        "method_config": config.to_json({**method.settings, **method.without_effect}),
        "method_source": method.source,
        "weights": method.weights.sha256 if method.weights else None,
        "dataset": dataset.name,
        "dataset_digest": dataset.digest,
        "protocol": config.to_json(protocol),
        "seed": method.seed,
    }


def run_key(method: MethodUsed, dataset: DatasetUsed, protocol: EvalProtocol) -> str:
    """SHA-256 (hex) of `identity`: runs with equal keys share a folder and its predictions."""
    return config.digest(identity(method, dataset, protocol))


@dataclass(frozen=True)
class Cost:
    """What predicting a clip took: wall-clock seconds of tracking alone, and the process's peak memory so far."""

    seconds: float
    peak_memory_mb: float
    frames: int
    queries: int


@dataclass(frozen=True)
class ClipNote:
    """predictions/<clip>.json: what the clip cost, or why it failed.

    `cost` and `made_by` are None where they are not known, `error` where the clip did not fail.
    """

    schema: int = field(default=SCHEMA, kw_only=True)
    cost: Cost | None = None
    error: str | None = None
    made_by: Maker | None = None


@dataclass(frozen=True)
class ClipCounts:
    """How many clips the dataset has, and how many of them were scored, failed, or have nothing to track."""

    expected: int
    scored: int
    failed: int
    without_queries: int


@dataclass(frozen=True)
class MetricMean:
    """A metric over the clips of a run, as a fraction (or in pixels, where the metric is in pixels).

    Attributes:
        mean: over query set sets. For the metrics of TAP-Vid it is None where one of them has no value, as the reference
            has it, unless the protocol skips those; for all others it is over those that have a value.
        ci95: its interval.
        nan: the number of query set sets without a value.
        mean_without_nan: the mean over those that have a value.
        clips: the number of clips that have a value; None where it was not counted.
    """

    mean: float | None
    ci95: Interval
    nan: int
    mean_without_nan: float | None
    clips: int | None = None


@dataclass(frozen=True)
class Summary:
    """summary.json of a run: its scores.

    Attributes:
        protocol: its name.
        failures: why, by clip that failed.
        metrics: by name.
        seconds, frames: of tracking, over all clips whose cost is known.
        peak_memory_mb: the largest of any clip; None where it is not known.
        made_by: all code and devices that predicted the scored clips, as far as they are known.
        notices: what looks wrong, one sentence each.
    """

    schema: int = field(default=SCHEMA, kw_only=True)
    protocol: str
    clips: ClipCounts
    failures: dict[str, str]
    metrics: dict[str, MetricMean]
    seconds: float
    frames: int
    peak_memory_mb: float | None
    made_by: list[Maker] = field(default_factory=list)
    notices: list[str] = field(default_factory=list)
