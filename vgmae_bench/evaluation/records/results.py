"""The JSON files of runs, as dataclasses."""

from __future__ import annotations

import datetime
from dataclasses import dataclass, field, replace
from typing import Any

from vgmae_bench import config, provenance
from vgmae_bench.data.dataset import Coverage
from vgmae_bench.evaluation.protocols import EvalProtocol
from vgmae_bench.evaluation.records.json_files import JsonFile
from vgmae_bench.provenance import Commit
from vgmae_bench.specs import QueryKind

Interval = tuple[float | None, float | None]
"""Ends of a 95 % bootstrap interval over clips; None where there is none."""

SESSION_SOURCE = "session-"
"""Start of `MethodUsed.source` for a tracker that was defined in a Python session. A unique part follows."""


@dataclass(frozen=True)
class WeightsUsed:
    """A weights file: its name, and the SHA-256 (hex) of its bytes."""

    name: str
    sha256: str


@dataclass(frozen=True)
class MethodUsed:
    """A method as it was built.

    Attributes:
        name: the name after `--method`.
        settings: all settings, including defaults.
        seed: for methods that draw random numbers.
        source: SHA-256 (hex) of its Python file, for a method from a file; None for an installed one. For a tracker
            from a Python session, `SESSION_SOURCE` and a unique part.
        weights: None if it was built without a weights file.
        note: the method's remark about itself ("random weights"), often empty.
        without_effect: the defaults of settings that have other values, but do not change predictions. A run's key uses
            these defaults.
        checkout: the version of another project's code that the method runs, see `vgmae_bench.types.tracks.Foreign`.
        notice: restrictions of the licence that users of the predictions must know; often empty.
        distribution: "name version" of the plugin's distribution; empty for our own methods and for files.
        numerics: see `vgmae_bench.provenance.numerics`.
        queries: "joint" if the tracks of one call depend on each other.
        ask: the queries of one call, see `vgmae_bench.evaluation.asking.parse`.
    """

    name: str
    settings: dict[str, Any] = field(default_factory=dict)
    seed: int = 0
    source: str | None = None
    weights: WeightsUsed | None = None
    note: str = ""
    without_effect: dict[str, Any] = field(default_factory=dict)
    checkout: str = ""
    notice: str = ""
    distribution: str = ""
    numerics: str = ""
    queries: QueryKind = "independent"
    ask: str = "all"

    @property
    def joint(self) -> bool:
        """Whether tracks could depend on other queries."""
        return self.queries == "joint" and self.ask != "single" and not self.ask.endswith(":1")

    @property
    def provided_by(self) -> str:
        """The weights in a few words, for example "tiny (30bfe250)"."""
        return f"{self.weights.name} ({self.weights.sha256[:8]})" if self.weights else self.note or "none"

    @property
    def label(self) -> str:
        """The name with weights and note, for example "videogmae (tiny)"."""
        details = ", ".join(part for part in (self.weights.name if self.weights else "", self.note) if part)
        return f"{self.name} ({details})" if details else self.name


@dataclass(frozen=True)
class DatasetUsed:
    """A dataset as it was opened.

    Attributes:
        name: the name after `--dataset`.
        digest: SHA-256 (hex) of everything in it that scores depend on.
        settings: the settings that the user gave.
        options: all settings, including defaults.
        published_clips: the number of clips of the published dataset; None if there is no such number.
        coverage: how much of the published dataset is present; None if the dataset does not say.
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
class Maker:
    """The code and the device that predicted a clip."""

    vgmae_bench: str
    commit: Commit | None
    device: str


@dataclass(frozen=True)
class Session:
    """One process that worked on a run: time, command, code and machine. No paths, no host names."""

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
        """This process, with its device ("cpu", "cuda:0", …)."""
        started = datetime.datetime.now(datetime.UTC).isoformat(timespec="seconds")
        return cls(started=started, command=command, processes=processes, **provenance.collect(device))

    @property
    def maker(self) -> Maker:
        """The code and the device of this process."""
        return Maker(self.vgmae_bench, self.commit, self.device)

    def same_work(self, other: Session) -> bool:
        """Whether the two sessions differ only in their start time."""
        return replace(self, started=other.started) == other


@dataclass(frozen=True)
class ExternalPredictions:
    """A file of predictions that another program wrote.

    Attributes:
        file, sha256: its name and its SHA-256 (hex).
        about: the file's description of itself.
        read_as: the convention with which it was read, in words.
        doubts: what looks wrong in its numbers, in words.
    """

    file: str
    sha256: str
    about: dict[str, Any]
    read_as: str
    doubts: list[str] = field(default_factory=list)


@dataclass(frozen=True)
class Record(JsonFile):
    """record.json of a run: the method, the dataset, the protocol, the code and the machine.

    Attributes:
        key: SHA-256 (hex) of everything that the predictions depend on, see `run_key`.
        name: the run's name in tables; empty: the method's name with its weights.
        protocol_digest: SHA-256 (hex) of protocol and data. Numbers of runs with equal digests are comparable.
        protocol_sentence: the protocol in one line, as tables print it.
        sessions: every process that predicted or scored. Equal sessions are listed once.
        external: where the predictions came from, if another program made them.
    """

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
    known = {"checkout": method.checkout, "distribution": method.distribution, "numerics": method.numerics}
    further: dict[str, config.Json] = {name: value for name, value in known.items() if value}
    if method.queries == "joint" or method.ask != "all":
        further["ask"] = method.ask
    return further | {
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
    """SHA-256 (hex) of `identity`. Runs with equal keys share a folder and its predictions."""
    return config.digest(identity(method, dataset, protocol))


def former(record: Record) -> Record:
    """The record with the key of older versions. That key depends on all settings, even on those without effect."""
    method = replace(record.method, without_effect={})
    return replace(record, key=run_key(method, record.dataset, record.protocol), method=method)


@dataclass(frozen=True)
class Cost:
    """The cost of predicting a clip: wall-clock seconds of tracking alone, and the process's peak memory so far."""

    seconds: float
    peak_memory_mb: float
    frames: int
    queries: int


@dataclass(frozen=True)
class ClipNote(JsonFile):
    """predictions/<clip>.json: the cost of the clip, or why it failed.

    `cost` and `made_by` are None if they are not known. `error` is None if the clip did not fail. `doubt` says what looks
    wrong in the clip's true tracks, and is mostly empty.
    """

    cost: Cost | None = None
    error: str | None = None
    made_by: Maker | None = None
    doubt: str = ""


@dataclass(frozen=True)
class ClipCounts:
    """How many clips the dataset has, and how many were scored, failed, or have nothing to track."""

    expected: int
    scored: int
    failed: int
    without_queries: int


@dataclass(frozen=True)
class MetricMean:
    """A metric over the clips of a run, as a fraction (or in pixels, for metrics in pixels).

    Attributes:
        mean: the mean over query sets. For TAP-Vid metrics it is None if one query set has no value, as in the
            reference code, unless the protocol skips such sets. For all other metrics it covers the query sets with a
            value.
        ci95: its interval.
        nan: the number of query sets without a value.
        mean_without_nan: the mean over the query sets with a value.
        clips: the number of clips with a value; None if it was not counted.
    """

    mean: float | None
    ci95: Interval
    nan: int
    mean_without_nan: float | None
    clips: int | None = None


@dataclass(frozen=True)
class Summary(JsonFile):
    """summary.json of a run: its scores.

    Attributes:
        protocol: the protocol's name.
        failures: the reason for each failed clip, by clip id.
        metrics: by name.
        seconds, frames: tracking time and frames, over all clips with a known cost.
        peak_memory_mb: the largest peak of any clip; None if it is not known.
        made_by: all code and devices that predicted the scored clips, as far as they are known.
        notices: what looks wrong, one sentence each.
    """

    protocol: str
    clips: ClipCounts
    failures: dict[str, str]
    metrics: dict[str, MetricMean]
    seconds: float
    frames: int
    peak_memory_mb: float | None
    made_by: list[Maker] = field(default_factory=list)
    notices: list[str] = field(default_factory=list)
