"""What is known of a plugin without importing it: a light SPEC that `list` and `show` read."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Any, Literal

Direction = Literal["forward", "both"]
QueryKind = Literal["independent", "joint"]


@dataclass(frozen=True)
class RemoteWeights:
    """Weights that somebody publishes at an address. They are fetched when they are first used, and kept.

    Attributes:
        url: where they are; the last part of its path names the file.
        size: in bytes; None: not known.
        sha256: hex, or its first digits. Empty: recorded when they are first fetched, and compared later.
        settings: of the method, which these weights were made for. Other values of the same settings are refused.
        licence: of the weights; empty: that of the method.
        notice: see `MethodSpec.notice`; empty: that of the method.
    """

    url: str
    size: int | None = None
    sha256: str = ""
    settings: Mapping[str, Any] = field(default_factory=dict)
    licence: str = ""
    notice: str = ""


@dataclass(frozen=True)
class MethodSpec:
    """What is known of a method without importing it.

    A method is what it offers. One with a `tracker` tracks points, one with an `explorer` looks at single images, one with
    an `encoder` gives features. Most methods offer several of them. What a method does not offer is None.

    An offer is a reference, "module:attribute", to something callable. It is called with those of `config`, `weights`
    (a Path or None), `device` and `seed` that it has as parameters. The annotation of `config`, a dataclass, declares the
    settings.

    Attributes:
        name: as typed after `--method`.
        summary: one line for `list`.
        tracker: makes a `vgmae_bench.types.Tracker`.
        explorer: makes a `vgmae_bench.models.explorer.Explorer`.
        encoder: makes a `vgmae_bench.models.encoder.VideoEncoder`.
        trainer: makes what the method learns by, a `vgmae_bench.training.recipe.Recipe`; called with `config`.
        finetuner: the same for learning to track from clips with known tracks; called with `config` and `weights`, those
            of the pretrained encoder.
        importer: turns an official checkpoint into safetensors: (file, out, settings) → what it took and left out.
        direction: "forward": the tracker follows points forward in time only. The harness then runs it on the reversed clip
            for the frames before a query. "both": it follows them in both directions. Empty: `causal` says it.
        causal: the older way to say direction="forward".
        lookahead: how many frames after a frame its answer there may depend on; 0 for a tracker that could run on a live
            video. "all": the whole clip. None: it does not say.
        queries: "joint": answers to the queries of a call depend on each other. The harness then asks one query at a time,
            unless the user wants it otherwise (`--ask`).
        random: its answers to the same question differ from time to time, whatever the seed.
        floor: it follows nothing on purpose and is there to compare with.
        weights: named weights: files relative to the module that holds the SPEC ("weights/tiny.safetensors"), or
            `RemoteWeights`.
        small_weights: those of `weights` that are much smaller than the paper's, to try the method out. A run with them on a
            published dataset says so.
        default_weights: the name of those that are used when none are asked for.
        configs: folder of training configurations, one TOML file each, relative to the module that holds the SPEC.
        key_settings: the settings of the tracker (or the explorer) that people change most; `show` lists these.
        requires: modules that must be importable.
        install: the command that installs them.
        checkout: a repository that is no package and that the tracker runs, "owner/name@commit:subfolder"; see
            `vgmae_bench.checkouts.Checkout`.
        published: the method's name in the table of published numbers, by the name of the weights that gave them.
        paper: authors, title, venue.
        citation: how to cite it, BibTeX.
        licence: of code and weights.
        notice: what whoever uses the answers must know of the licence ("not for commercial use"). Runs print it, records keep
            it, and tables show it.
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
        """Whether the tracker follows points forward in time only."""
        return self.direction == "forward" or (not self.direction and self.causal)


def TrackerSpec(name: str, factory: str, summary: str, **others: Any) -> MethodSpec:  # noqa: N802  # it was a class
    """The SPEC of a tracker, as it was spelled before `MethodSpec`. Plugins that use it go on working."""
    return MethodSpec(name, summary, tracker=factory, **others)


@dataclass(frozen=True)
class DatasetSpec:
    """What is known of a dataset without opening it.

    Attributes:
        name: as typed after `--dataset`.
        factory: "module:attribute". Called with whichever of `root` (data root, a Path), `config` and `prepared` (the
            prepared form, a Path, or None where there is none) it names. Returns a `vgmae_bench.data.dataset.Dataset`.
        summary: one line for `list`.
        published_clips: how many clips the published set has; None where there is no such number.
        clip_frames: how many frames its clips have, the longest ones; None where that is not known.
        embedded: it needs no files.
        location: where its files lie below the data root, "folder/pattern".
        annotations: the same of the annotations, for a set whose videos cannot be had with them; `preparer` joins both.
        preparer: "module:function" that reads what the set is published as into a `vgmae_bench.data.prepare.Raw`. Called
            with whichever of `root` (data root), `source` (path given by --from, or None) and `config` it names. Without
            one, what the factory opens is prepared.
        source, licence, citation: shown by `show`.
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
    """What is known of a family of metrics without importing it.

    Attributes:
        name: of the family.
        factory: "module:function", called with a `vgmae_bench.metrics.scored_tracks.ScoredTracks`. It returns values by
            metric name.
        summary: one line for `list`.
        values: the names it returns; the first ones are shown first.
        lower_is_better: those of `values` for which less is better.
        requires, install: as for methods. A family whose modules are missing is left out of the scores.
    """

    name: str
    factory: str
    summary: str
    values: tuple[str, ...] = ()
    lower_is_better: tuple[str, ...] = ()
    requires: tuple[str, ...] = ()
    install: str = ""


Spec = MethodSpec | DatasetSpec | MetricSpec
