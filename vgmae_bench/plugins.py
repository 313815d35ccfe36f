"""Finds and loads plugins. All methods, datasets and metrics are plugins, also those of this repository.

A distribution registers a plugin with an entry point. The entry point refers to a SPEC (`vgmae_bench.specs`) in a light
module. The groups are `vgmae_bench.methods`, `vgmae_bench.datasets` and `vgmae_bench.metrics`. Listing plugins imports only
this module. Using a plugin imports the code that the SPEC refers to. A broken plugin therefore fails only when it is used.
"""

from __future__ import annotations

import dataclasses
import difflib
import importlib
import importlib.util
import sys
from collections.abc import Collection, Iterable
from dataclasses import dataclass
from importlib import metadata
from pathlib import Path
from typing import Any, Literal

from vgmae_bench.errors import PluginError, UnknownNameError, UsageError
from vgmae_bench.specs import DatasetSpec as DatasetSpec
from vgmae_bench.specs import MethodSpec as MethodSpec
from vgmae_bench.specs import MetricSpec as MetricSpec

Kind = Literal["methods", "datasets", "metrics"]
Offer = Literal["tracker", "explorer", "encoder", "trainer", "finetuner", "importer"]

GROUPS: dict[Kind, tuple[str, ...]] = {
    "methods": ("vgmae_bench.methods", "vgmae_bench.trackers"),  # the second is the old name, which still works
    "datasets": ("vgmae_bench.datasets",),
    "metrics": ("vgmae_bench.metrics",),
}
"""The groups of entry points that contain plugins."""

_SPEC_TYPES: dict[Kind, type[Any]] = {"methods": MethodSpec, "datasets": DatasetSpec, "metrics": MetricSpec}
_LACKS: dict[Offer, str] = {
    "tracker": "does not track points",
    "explorer": "does not look at single images",
    "encoder": "has no encoder to probe",
    "trainer": "cannot be trained here",
    "finetuner": "cannot be fine-tuned on tracks",
    "importer": "has no official checkpoints to import",
}


@dataclass(frozen=True)
class Plugin:
    """An installed plugin: its spec, or the error that reading the spec gave, and its distribution."""

    name: str
    spec: Any
    error: str
    distribution: str
    version: str
    module: str

    @property
    def origin(self) -> str:
        """The distribution that provides the plugin, with its version."""
        return f"{self.distribution} {self.version}".strip()

    @property
    def missing(self) -> list[str]:
        """Required modules that are not installed."""
        requires = getattr(self.spec, "requires", ())
        return [module for module in requires if importlib.util.find_spec(module.partition(".")[0]) is None]


def installed(kind: Kind) -> list[Plugin]:
    """All plugins of a kind, sorted by name. If the SPEC of a plugin cannot be read, the plugin has an error."""
    found: dict[str, Plugin] = {}
    for group in GROUPS[kind]:
        for point in metadata.entry_points(group=group):
            if point.name not in found:  # an installed package can be visible twice on sys.path
                found[point.name] = _read_spec(point, kind)
    return [found[name] for name in sorted(found)]


def spec_of(kind: Kind, name: str) -> Any:
    """The SPEC of an installed plugin; None if the plugin does not exist or its SPEC cannot be read."""
    return next((plugin.spec for plugin in installed(kind) if plugin.name == name), None)


def find(kind: Kind, name: str, *, offer: Offer = "tracker") -> Plugin:
    """The plugin with this name. `path/to/file.py:Attribute` is a plugin in a file, without a package.

    Arguments:
        offer: the kind of product of the file's attribute. It is used if the file has no SPEC for the attribute.

    Raises:
        UnknownNameError: there is no such plugin. The message suggests the nearest names.
        PluginError: its SPEC or its requirements could not be imported.
    """
    if is_file_reference(name):
        return _complete(_from_file(kind, name, offer))
    plugins = {plugin.name: plugin for plugin in installed(kind)}
    if name not in plugins:
        raise UnknownNameError(
            f'There is no {kind.removesuffix("s")} "{name}"',
            suggestion(name, plugins),
            try_=f"vgmae-bench list {kind}",
        )
    plugin = plugins[name]
    if plugin.error:
        raise PluginError(f'"{name}" of {plugin.origin} cannot be used', plugin.error)
    return _complete(plugin)


def is_file_reference(name: str) -> bool:
    """Whether a name is `path/to/file.py:Attribute`."""
    return ".py:" in name


def load(plugin: Plugin, offer: Offer | None = None) -> Any:
    """Import a part of a plugin.

    Arguments:
        offer: the part of a method. None for datasets and metrics, which have one factory.

    Raises:
        UsageError: the method does not have this part.
        PluginError: like `load_reference`.
    """
    reference = plugin.spec.factory if offer is None else getattr(plugin.spec, offer)
    if offer is not None and not reference:
        others = [other.name for other in installed("methods") if other.spec and getattr(other.spec, offer)]
        why = f"these can: {', '.join(others)}" if others else plugin.spec.summary
        raise UsageError(f"{plugin.name} {_LACKS[offer]}", why, try_=f"vgmae-bench show {plugin.name}")
    return load_reference(plugin, reference)


def load_reference(plugin: Plugin, reference: str) -> Any:
    """Import "module:attribute" for a plugin.

    Raises:
        PluginError: the import failed. The message names the distribution and the reference.
    """
    module, _, attribute = reference.partition(":")
    try:
        return getattr(importlib.import_module(module), attribute)
    except Exception as error:  # a plugin can raise any error; the message must name the plugin
        raise PluginError(
            f'"{plugin.name}" of {plugin.origin} could not be loaded',
            f"importing {reference} gave {explained(error)}",
        ) from error


def explained(error: BaseException) -> str:
    """An import error in one line. It explains torch's message about a torchvision that was built for another torch."""
    text = next(iter(str(error).splitlines()), "")
    if "torchvision::" in text:
        return f"{type(error).__name__}: {text} (this torchvision was built for another version of torch)"
    return f"{type(error).__name__}: {text}"


def beside(plugin: Plugin, relative: str) -> Path:
    """A file or folder of a plugin. `relative` is relative to the module with the plugin's SPEC."""
    module = importlib.import_module(plugin.module)
    assert module.__file__ is not None  # plugins are files
    return Path(module.__file__).parent / relative


def did_you_mean(name: str, choices: Iterable[str]) -> str:
    """The question "Did you mean …?" for the nearest names, or an empty string."""
    close = difflib.get_close_matches(name, list(choices), n=3, cutoff=0.5)
    return f"Did you mean {' or '.join(close)}?" if close else ""


def suggestion(name: str, choices: Collection[str]) -> str:
    """The reason in an error about an unknown name: the nearest names as in `did_you_mean`, or else all of them."""
    return did_you_mean(name, choices) or "there are: " + ", ".join(choices)


def _read_spec(point: metadata.EntryPoint, kind: Kind) -> Plugin:
    dist = point.dist
    origin = (dist.name if dist else "unknown", dist.version if dist else "")
    try:
        spec = point.load()
        if not isinstance(spec, _SPEC_TYPES[kind]):
            raise TypeError(f"{point.value} is a {type(spec).__name__}, not a {_SPEC_TYPES[kind].__name__}")
    except Exception as error:  # one broken plugin must not break the list of the others
        return Plugin(point.name, None, explained(error), *origin, point.module)
    return Plugin(point.name, spec, "", *origin, point.module)


def _from_file(kind: Kind, name: str, offer: Offer) -> Plugin:
    """A plugin in a Python file. If the file has a SPEC that refers to the attribute, the plugin uses this SPEC."""
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
    failure: Exception | None = None
    try:
        module_spec.loader.exec_module(module)
        getattr(module, attribute)
    except Exception as error:
        failure = error
    part = offer if kind == "methods" else "factory"
    specs = [value for value in vars(module).values() if isinstance(value, _SPEC_TYPES[kind])]  # there may be several
    declared = next((spec for spec in specs if (getattr(spec, part) or "").endswith(f":{attribute}")), None)
    reference: Any = {part: f"{module_name}:{attribute}"}
    if declared:
        made = dataclasses.replace(declared, **reference)
    else:
        made = _SPEC_TYPES[kind](name=attribute, summary=f"from {path.name}", **reference)
    plugin = Plugin(made.name, made, "", str(path), "", module_name)
    if isinstance(failure, ImportError):
        _complete(plugin)  # it names all that is missing
    if failure is not None:
        raise PluginError(f'"{name}" could not be loaded', explained(failure)) from failure
    return plugin


def _complete(plugin: Plugin) -> Plugin:
    """The plugin. Raises PluginError if modules that it requires are not installed."""
    if plugin.missing:
        raise PluginError(
            f'"{plugin.name}" needs {", ".join(plugin.missing)}',
            "not installed here",
            try_=getattr(plugin.spec, "install", ""),
        )
    return plugin
