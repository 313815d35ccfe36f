"""The JSON files of `reproduce`, `track`, `explore`, `spatial` and trainings, as dataclasses."""

from __future__ import annotations

from dataclasses import dataclass, field
from typing import Any

from vgmae_bench.evaluation.records.json_files import JsonFile
from vgmae_bench.evaluation.records.results import Interval, MethodUsed, Session


@dataclass(frozen=True)
class Change:
    """A difference between a run (`then`) and its repetition (`now`). Both values are text."""

    what: str
    then: str
    now: str


@dataclass(frozen=True)
class MetricChange:
    """The largest absolute difference of a metric in any clip, and that clip.

    `largest` is None if only one of the two runs has a value. `clip` is None if nothing differs.
    """

    largest: float | None
    clip: str | None


@dataclass(frozen=True)
class PositionChange:
    """How far positions moved: by at most `largest_px` pixels of the tracker's input, over `compared` clips."""

    largest_px: float
    clip: str | None
    visibility_flips: int
    compared: int


@dataclass(frozen=True)
class Reproduction(JsonFile):
    """reproduction.json: the differences between a run and its repetition.

    Attributes:
        run, reproduced: the two folders.
        equal: no clip is missing, and no metric of any clip differs by more than `tolerance`.
        clips: how many clips were compared.
        missing: clips that only the first run has.
        positions: None if the first run's predictions are not here.
        environment, configuration: differences in code and machine, and in what predictions depend on.
    """

    run: str
    reproduced: str
    equal: bool
    tolerance: float
    clips: int
    missing: list[str]
    metrics: dict[str, MetricChange]
    positions: PositionChange | None
    environment: list[Change]
    configuration: list[Change]


@dataclass(frozen=True)
class VideoUsed:
    """A video: name, SHA-256 (hex; None for a folder of images), (height, width), frames per second, number of frames."""

    name: str
    sha256: str | None
    size: tuple[int, int]
    fps: float
    frames: int


@dataclass(frozen=True)
class TrackRecord(JsonFile):
    """record.json of `vgmae-bench track`.

    Attributes:
        input_size: (height, width) of the frames that the method got.
        points, points_from: the number of points, and how they were chosen.
        seconds: time of tracking alone.
        encoder: the video encoder that wrote tracks.mp4.
    """

    method: MethodUsed
    video: VideoUsed
    input_size: tuple[int, int]
    points: int
    points_from: str
    seconds: float
    peak_memory_mb: float
    session: Session
    encoder: str = ""


@dataclass(frozen=True)
class ImageUsed:
    """An image: its name, its SHA-256 (hex), and the (height, width) that the method got."""

    name: str
    sha256: str
    size: tuple[int, int]


@dataclass(frozen=True)
class ExploreRecord(JsonFile):
    """record.json of `vgmae-bench explore`."""

    method: MethodUsed
    image: ImageUsed
    session: Session


@dataclass(frozen=True)
class ImagesUsed:
    """Labelled images: their kind, their identifying values, and their number."""

    kind: str
    identity: Any
    images: int


@dataclass(frozen=True)
class SpatialRecord(JsonFile):
    """record.json of `vgmae-bench spatial`. `mask_ratio` is the share of hidden patches."""

    method: MethodUsed
    data: ImagesUsed
    mask_ratio: float
    session: Session


@dataclass(frozen=True)
class Estimate:
    """A value and its 95 % bootstrap interval over images, or over sequences if the images belong to some."""

    value: float
    ci95: Interval


@dataclass(frozen=True)
class SpatialSummary(JsonFile):
    """summary.json of `vgmae-bench spatial`: estimates by method and measure, over `images` images."""

    images: int
    methods: dict[str, dict[str, Estimate]]


@dataclass(frozen=True)
class TrainingRecord(JsonFile):
    """record.json of a training.

    Attributes:
        digest: SHA-256 (hex) of `identity`.
        identity: everything that the weights depend on.
        notes: remarks that readers of the results must know.
        sessions: every process that trained.
        progress: how many steps are done.
    """

    digest: str
    identity: dict[str, Any]
    notes: list[str] = field(default_factory=list)
    sessions: list[Session] = field(default_factory=list)
    progress: dict[str, Any] | None = None
