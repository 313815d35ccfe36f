"""Trackers, datasets and metrics are plugins, ours included: a light SPEC that is listed, a factory that is loaded.

A distribution offers a plugin by an entry point in one of the groups `vgmae_bench.trackers`, `vgmae_bench.datasets`,
`vgmae_bench.metrics` that points at a SPEC in a light module. Listing imports that module alone; the factory it names is
imported when the plugin is used. A plugin that is broken therefore fails only when it is asked for.
"""

from __future__ import annotations

import dataclasses
import difflib
import importlib
import importlib.util
import sys
from collections.abc import Iterable, Mapping
from dataclasses import dataclass, field
from importlib import metadata
from pathlib import Path
from typing import Any, Literal

from vgmae_bench.errors import PluginError, UnknownNameError, UsageError

Kind = Literal["trackers", "datasets", "metrics"]


@dataclass(frozen=True)
class TrackerSpec:
    """What is known of a tracker without importing it.

    Attributes:
        name: as typed after `--method`.
        factory: "module:attribute". Called with whichever of `config`, `weights`, `device`, `seed` it names; a dataclass
            annotation on `config` declares its settings. Returns a `vgmae_bench.types.Tracker`. Empty for a model of images,
            which does not track.
        summary: one line for `list`.
        causal: it tracks forward in time only; the harness then runs it on the reversed clip for frames before a query.
        weights: named weights, each a file relative to the module that holds the SPEC ("weights/tiny.safetensors").
        default_weights: which of them is used when none are asked for.
        importer: "module:function" that turns an official checkpoint into safetensors: (file, out, settings) → what it
            took and what it left out. Empty where there are none.
        trainer: "module:attribute" that makes its `vgmae_bench.training.recipe.Recipe`; called with `config`, whose
            annotation declares the settings of its training. Empty where it does not learn.
        finetuner: the same for learning to track from clips with tracks, on top of a pretrained encoder; called with
            `config`, whose annotation extends `vgmae_bench.training.tracks.TrackingConfig`, and `weights`, the encoder's.
        explorer: "module:attribute" that makes a `vgmae_bench.models.explorer.Explorer`, which looks at single
            images; called like the factory. Empty where it cannot.
        encoder: "module:attribute" that makes its encoder, a `vgmae_bench.models.encoder.VideoEncoder`, to be
            probed; called with whichever of `config`, `weights`, `seed` it names. Empty where there is none.
        configs: folder of training configurations, one TOML file each, relative to the module that holds the SPEC.
        requires: modules that must be importable, checked before the factory is.
        install: the command that provides them.
        paper, licence: shown by `show`.
    """

    name: str
    factory: str
    summary: str
    causal: bool = False
    weights: Mapping[str, str] = field(default_factory=dict)
    default_weights: str | None = None
    importer: str = ""
    trainer: str = ""
    finetuner: str = ""
    explorer: str = ""
    encoder: str = ""
    configs: str = ""
    requires: tuple[str, ...] = ()
    install: str = ""
    paper: str = ""
    licence: str = ""


@dataclass(frozen=True)
class DatasetSpec:
    """What is known of a dataset without opening it.

    Attributes:
        name: as typed after `--dataset`.
        factory: "module:attribute". Called with whichever of `root` (data root, a Path), `config` and `prepared` (the
            prepared form, a Path, or None where there is none) it names. Returns a `vgmae_bench.data.dataset.Dataset`.
        summary: one line for `list`.
        published_clips: how many clips the published set has; None where there is no such number.
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
        factory: "module:function", called with a `vgmae_bench.metrics.Answers`; returns values by metric name.
        summary: one line for `list`.
        values: the names it returns; the first ones are shown first.
        lower_is_better: those of `values` for which less is better.
        requires, install: as for trackers. A family whose modules are missing is left out of the scores.
    """

    name: str
    factory: str
    summary: str
    values: tuple[str, ...] = ()
    lower_is_better: tuple[str, ...] = ()
    requires: tuple[str, ...] = ()
    install: str = ""


Spec = TrackerSpec | DatasetSpec | MetricSpec
_SPEC_TYPES: dict[str, type[Any]] = {"trackers": TrackerSpec, "datasets": DatasetSpec, "metrics": MetricSpec}


@dataclass(frozen=True)
class Plugin:
    """A plugin as installed: its spec, or why its spec could not be read, and where it comes from."""

    name: str
    spec: Any
    error: str
    distribution: str
    version: str
    module: str

    @property
    def missing(self) -> list[str]:
        """Modules it requires that are not installed."""
        requires = getattr(self.spec, "requires", ())
        return [module for module in requires if importlib.util.find_spec(module.partition(".")[0]) is None]


def installed(kind: Kind) -> list[Plugin]:
    """All plugins of a kind, by name. A plugin whose SPEC cannot be read is listed with its error."""
    found: dict[str, Plugin] = {}
    for point in sorted(metadata.entry_points(group=f"vgmae_bench.{kind}"), key=lambda point: point.name):
        if point.name not in found:  # an installed package can be visible twice on sys.path
            found[point.name] = _read_spec(point, kind)
    return list(found.values())


def find(kind: Kind, name: str) -> Plugin:
    """The plugin of that name, or `path/to/file.py:Attribute` loaded from a file without any packaging.

    Raises:
        UnknownNameError: no such plugin; the message suggests the nearest names.
        PluginError: its SPEC or its requirements could not be imported.
    """
    if ".py:" in name:
        return _from_file(kind, name)
    plugins = {plugin.name: plugin for plugin in installed(kind)}
    if name not in plugins:
        singular = {"trackers": "method", "datasets": "dataset", "metrics": "metric"}[kind]
        raise UnknownNameError(
            f'There is no {singular} "{name}"',
            did_you_mean(name, plugins) or "there are: " + ", ".join(plugins),
            try_=f"vgmae-bench list {'methods' if kind == 'trackers' else kind}",
        )
    plugin = plugins[name]
    if plugin.error:
        raise PluginError(f'"{name}" of {plugin.distribution} {plugin.version} cannot be used', plugin.error)
    if plugin.missing:
        raise PluginError(
            f'"{name}" needs {", ".join(plugin.missing)}',
            "not installed here",
            try_=getattr(plugin.spec, "install", ""),
        )
    return plugin


def load(plugin: Plugin) -> Any:
    """Import what the plugin's spec names as its factory.

    Raises:
        UsageError: it names none: it is a method that does not track.
        PluginError: like `load_reference`.
    """
    if not plugin.spec.factory:
        raise UsageError(f"{plugin.name} does not track", plugin.spec.summary, try_="vgmae-bench list methods")
    return load_reference(plugin, plugin.spec.factory)


def load_reference(plugin: Plugin, reference: str) -> Any:
    """Import "module:attribute" on behalf of a plugin.

    Raises:
        PluginError: naming the distribution and what could not be imported.
    """
    module, _, attribute = reference.partition(":")
    try:
        return getattr(importlib.import_module(module), attribute)
    except Exception as error:  # a plugin may fail in any way; whatever it is, say whose it is
        raise PluginError(
            f'"{plugin.name}" of {plugin.distribution} {plugin.version} could not be loaded',
            f"importing {reference} gave {type(error).__name__}: {error}",
        ) from error


def beside(plugin: Plugin, relative: str) -> Path:
    """A file or folder that a plugin ships, given relative to the module that holds its SPEC."""
    module = importlib.import_module(plugin.module)
    assert module.__file__ is not None  # plugins are files
    return Path(module.__file__).parent / relative


def did_you_mean(name: str, choices: Iterable[str]) -> str:
    """ "did you mean …?" for the nearest names, or an empty string."""
    close = difflib.get_close_matches(name, list(choices), n=3, cutoff=0.5)
    return f"did you mean {' or '.join(close)}?" if close else ""


def _read_spec(point: metadata.EntryPoint, kind: Kind) -> Plugin:
    dist = point.dist
    origin = (dist.name if dist else "unknown", dist.version if dist else "")
    try:
        spec = point.load()
        if not isinstance(spec, _SPEC_TYPES[kind]):
            raise TypeError(f"{point.value} is a {type(spec).__name__}, not a {_SPEC_TYPES[kind].__name__}")
    except Exception as error:  # one broken plugin must not take the list of the others down
        return Plugin(point.name, None, f"{type(error).__name__}: {error}", *origin, point.module)
    return Plugin(point.name, spec, "", *origin, point.module)


def _from_file(kind: Kind, name: str) -> Plugin:
    """A plugin straight from a Python file; a SPEC in the file, when its factory is meant, gives name and flags."""
    path_text, _, attribute = name.rpartition(":")
    path = Path(path_text)
    if not path.is_file():
        raise UnknownNameError(
            f'There is no file "{path}"', "a plugin from a file looks like ./my_tracker.py:MyTracker"
        )
    module_name = f"vgmae_bench_file_{path.stem}"
    module_spec = importlib.util.spec_from_file_location(module_name, path)
    assert module_spec is not None and module_spec.loader is not None  # it is a file ending in .py
    module = importlib.util.module_from_spec(module_spec)
    sys.modules[module_name] = module
    try:
        module_spec.loader.exec_module(module)
        getattr(module, attribute)
    except Exception as error:
        raise PluginError(f'"{name}" could not be loaded', f"{type(error).__name__}: {error}") from error
    spec_type = _SPEC_TYPES[kind]
    declared: Any = getattr(module, "SPEC", None)
    factory = f"{module_name}:{attribute}"
    spec: Any
    if isinstance(declared, spec_type) and declared.factory.endswith(f":{attribute}"):
        spec = dataclasses.replace(declared, factory=factory)
    else:
        spec = spec_type(name=attribute, factory=factory, summary=f"from {path.name}")
    return Plugin(spec.name, spec, "", str(path), "", module_name)
