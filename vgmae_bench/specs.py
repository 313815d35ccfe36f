"""SPECs: light descriptions of plugins, which `list` and `show` read without importing the plugins' code."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Any, Literal

Direction = Literal["forward", "both"]
QueryKind = Literal["independent", "joint"]


@dataclass(frozen=True)
class RemoteWeights:
    """Published weights at a web address. The benchmark downloads them at first use and keeps the file.

    Attributes:
        url: the address; the last part of its path is the file's name.
        size: in bytes; None: unknown.
        sha256: hexadecimal, or its first digits. Empty: the benchmark records the SHA-256 of the download and compares it
            at each later use.
        settings: the method's settings that these weights need. Other values of these settings are refused.
        licence: of the weights; empty: the method's licence.
        notice: see `MethodSpec.notice`; empty: the method's notice.
    """

    url: str
    size: int | None = None
    sha256: str = ""
    settings: Mapping[str, Any] = field(default_factory=dict)
    licence: str = ""
    notice: str = ""


@dataclass(frozen=True)
class MethodSpec:
    """Describes a method, without importing its code.

    A method has one or more parts. A `tracker` tracks points, an `explorer` analyses single images, an `encoder` computes
    features. Parts that a method does not have are None.

    A part is a reference, "module:attribute", to a callable. The benchmark calls it with those of `config`, `weights`
    (a Path or None), `device` and `seed` that are parameters of the callable. The annotation of `config` is a dataclass,
    which declares the settings.

    Attributes:
        name: the name after `--method`.
        summary: one line for `list`.
        tracker: makes a `vgmae_bench.types.Tracker`.
        explorer: makes a `vgmae_bench.models.explorer.Explorer`.
        encoder: makes a `vgmae_bench.models.encoder.VideoEncoder`.
        trainer: makes the recipe of a training, a `vgmae_bench.training.recipe.Recipe`; called with `config`.
        finetuner: makes the recipe of a fine-tuning on clips with known tracks; called with `config` and `weights`, the
            weights of the pretrained encoder.
        importer: converts an official checkpoint to safetensors: (file, out, settings) → imported and omitted tensors.
        direction: "forward": the tracker tracks only forward in time. The benchmark then runs it on the reversed clip for
            the frames before a query. "both": it tracks in both directions. Empty: `causal` decides.
        causal: the older form of direction="forward".
        lookahead: the number of later frames that a prediction may depend on; 0 for a tracker that can run on live video.
            "all": the whole clip. None: not stated.
        queries: "joint": the tracks of one call depend on each other. The benchmark then passes one query per call, unless
            the user chooses otherwise (`--ask`).
        random: repeated calls give different predictions, even with the same seed.
        floor: a trivial baseline for comparison, which does not track.
        weights: named weights: files relative to the module with the SPEC ("weights/tiny.safetensors"), or
            `RemoteWeights`.
        small_weights: names of `weights` that are much smaller than the paper's and serve for trials. A run with them on a
            published dataset prints a warning.
        default_weights: the name of the default weights.
        configs: folder of training configurations, one TOML file each, relative to the module with the SPEC.
        key_settings: the settings of the tracker (or the explorer) that people change most; `show` lists these.
        requires: modules that must be importable.
        install: the command that installs the required modules.
        checkout: a repository that is no package and that the tracker runs, "owner/name@commit:subfolder"; see
            `vgmae_bench.checkouts.Checkout`.
        published: the method's name in the table of published scores, by the name of the weights.
        paper: authors, title, venue.
        citation: BibTeX.
        licence: of code and weights.
        notice: restrictions of the licence that a user of the predictions must know ("not for commercial use"). Runs print
            it, records contain it, and tables show it.
    """

    name: str
    summary: str
    tracker: str | None = None
    explorer: str | None = None
    encoder: str | None = None
    trainer: str | None = None
    finetuner: str | None = None
    importer: str | None = None
    direction: Direction | Literal[""] = ""
    causal: bool = False
    lookahead: int | Literal["all"] | None = None
    queries: QueryKind = "independent"
    random: bool = False
    floor: bool = False
    weights: Mapping[str, str | RemoteWeights] = field(default_factory=dict)
    small_weights: tuple[str, ...] = ()
    default_weights: str | None = None
    configs: str | None = None
    key_settings: tuple[str, ...] = ()
    requires: tuple[str, ...] = ()
    install: str = ""
    checkout: str = ""
    published: Mapping[str, str] = field(default_factory=dict)
    paper: str = ""
    citation: str = ""
    licence: str = ""
    notice: str = ""

    @property
    def looks_forward(self) -> bool:
        """Whether the tracker tracks only forward in time."""
        return self.direction == "forward" or (not self.direction and self.causal)


def TrackerSpec(name: str, factory: str, summary: str, **others: Any) -> MethodSpec:  # noqa: N802  # it was a class
    """The old form of `MethodSpec` for a tracker. Plugins that use it still work."""
    return MethodSpec(name, summary, tracker=factory, **others)


@dataclass(frozen=True)
class DatasetSpec:
    """Describes a dataset, without importing its code.

    Attributes:
        name: the name after `--dataset`.
        factory: "module:attribute" of a callable that returns a `vgmae_bench.data.dataset.Dataset`. It is called with those
            of `root` (the data root, a Path), `config` and `prepared` (the prepared file, a Path, or None) that are its
            parameters.
        summary: one line for `list`.
        published_clips: number of clips of the published dataset; None if it is not fixed.
        clip_frames: number of frames of its longest clips; None if unknown.
        embedded: the dataset needs no files.
        location: its files below the data root, "folder/pattern".
        annotations: its annotations below the data root, for a dataset whose videos are published separately; `preparer`
            joins both.
        preparer: "module:function" that reads the published files into a `vgmae_bench.data.prepare.Raw`. It is called with
            those of `root` (data root), `source` (the path after --from, or None) and `config` that are its parameters.
            Empty: `data prepare` reads the clips of the factory.
        source, licence, citation: texts for `show`.
    """

    name: str
    factory: str
    summary: str
    published_clips: int | None = None
    clip_frames: int | None = None
    embedded: bool = False
    location: str = ""
    annotations: str = ""
    preparer: str = ""
    source: str = ""
    licence: str = ""
    citation: str = ""


@dataclass(frozen=True)
class MetricSpec:
    """Describes a family of metrics, without importing its code.

    Attributes:
        name: the name of the family.
        factory: "module:function", called with a `vgmae_bench.metrics.scored_tracks.ScoredTracks`. It returns values by
            metric name.
        summary: one line for `list`.
        values: the names of the metrics, in the order of display.
        lower_is_better: those of `values` where smaller is better.
        requires, install: as for methods. If required modules are missing, the scores omit this family.
    """

    name: str
    factory: str
    summary: str
    values: tuple[str, ...] = ()
    lower_is_better: tuple[str, ...] = ()
    requires: tuple[str, ...] = ()
    install: str = ""
