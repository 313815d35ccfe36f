"""Opens a method by its name: finds its weights, and builds its tracker or another part."""

from __future__ import annotations

import sys
from collections.abc import Mapping
from dataclasses import dataclass, field, replace
from pathlib import Path
from typing import Any

from vgmae_bench import config, plugins, provenance
from vgmae_bench.checkouts import Checkout
from vgmae_bench.data.files.download import ensure_file
from vgmae_bench.errors import PluginError, UsageError, WeightsError
from vgmae_bench.evaluation.asking import Asking, asking_of
from vgmae_bench.evaluation.records.results import MethodUsed, WeightsUsed
from vgmae_bench.files import cache_folder, file_digest
from vgmae_bench.specs import RemoteWeights
from vgmae_bench.types.tracks import Foreign, Noted, Selective, Tracker

OURS = "vgmae-bench"
"""The distribution that holds this benchmark and its own methods."""
UNTRAINED = "random"
"""In place of the name of weights: build the method with random weights, as a baseline."""


@dataclass(frozen=True)
class Weights:
    """A weights file, its name and its SHA-256.

    Attributes:
        settings: the settings of the method that these weights need.
        notice: see `vgmae_bench.specs.MethodSpec.notice`.
    """

    name: str
    sha256: str
    path: Path
    settings: Mapping[str, Any] = field(default_factory=dict)
    notice: str = ""

    @classmethod
    def find(cls, plugin: plugins.Plugin, asked: str | None) -> Weights | None:
        """The weights that the user asked for. Without a request, the method's default weights, if it has any.

        Weights with an address are fetched into the folder `weights` of `vgmae_bench.files.cache_folder`.

        Arguments:
            asked: a name that the method declares, a file, "random" (no weights) or None.

        Raises:
            WeightsError: `asked` is neither a declared name nor a readable file.
            UserError: weights with an address could not be fetched, or are another file; see
                `vgmae_bench.data.files.download.ensure_file`.
        """
        named = dict(plugin.spec.weights)
        chosen = asked if asked is not None else plugin.spec.default_weights
        if chosen is None or chosen == UNTRAINED:
            return None
        known = named.get(chosen)
        if isinstance(known, RemoteWeights):
            what, folder = f"the weights {chosen} of {plugin.name}", cache_folder() / "weights" / plugin.name
            path, digest = ensure_file(known.url, folder, what=what, size=known.size, sha256=known.sha256)
            return cls(chosen, digest, path, known.settings, known.notice)
        path = plugins.beside(plugin, known) if known is not None else Path(chosen)
        if not path.is_file():
            names = ", ".join(named) or "none"
            raise WeightsError(
                f'There are no weights "{chosen}"',
                f"it is neither a file nor a name known to {plugin.name} (which are: {names})",
                try_=f"vgmae-bench show {plugin.name}",
            )
        return cls(chosen if known is not None else path.stem, file_digest(path), path)

    def implied(self, given: Mapping[str, Any], owner: str) -> dict[str, Any]:
        """The settings that the user gave, together with the settings that the weights need.

        Raises:
            UsageError: the user gave another value.
        """
        for name, value in self.settings.items():
            if given.get(name, value) != value:
                what = f"The weights {self.name} of {owner} are for {name}={value}"
                raise UsageError(what, f"and not for {name}={given[name]}", try_="without --set")
        return {**self.settings, **given}


@dataclass(frozen=True)
class Method:
    """A tracker that is ready for use.

    Attributes:
        used: the method's entry for records.
        device: a torch device, for example "cpu" or "cuda".
        how: how the tracker is asked.
    """

    plugin: plugins.Plugin
    tracker: Tracker
    used: MethodUsed
    device: str
    how: Asking


def open_method(
    name: str, *, weights: str | None, settings: Mapping[str, Any], device: str, seed: int, ask: str | None = None
) -> Method:
    """Find, load and build a method.

    Arguments:
        name: the name of a plugin, or `path.py:Attribute`.
        weights: a name that the method declares, or a file. None: the default weights, if the method has any.
        settings: values for the fields of its configuration.
        device: "auto", "cpu", "cuda" or any torch device.
        seed: for trackers that take one.
        ask: the queries of one call, see `vgmae_bench.evaluation.asking.asking_of`.

    Raises:
        UserError: something cannot be found or built.
    """
    plugin = plugins.find("methods", name)
    takes_device = config.takes(plugins.load(plugin, "tracker"), "device")
    # Importing torch takes longer than many runs of methods that do without it.
    where = resolve_device(device) if device != "auto" or takes_device or "torch" in sys.modules else "cpu"
    tracker, used = make(plugin, "tracker", weights=weights, settings=settings, device=where, seed=seed)
    return as_method(plugin, tracker, used, where, ask)


def as_method(plugin: plugins.Plugin, tracker: Any, used: MethodUsed, device: str, ask: str | None) -> Method:
    """A method with its tracker, and with how the tracker is asked; see `open_method`.

    Raises:
        PluginError: the object is no tracker.
        UsageError: `ask` is not a value of --ask.
    """
    if not isinstance(tracker, Tracker) or not callable(tracker.track):
        why = "a tracker has a method track(frames, queries) that returns Tracks"
        raise PluginError(f"{plugin.name} is no tracker", why)
    how = asking_of(plugin.spec, tracker, ask)
    return Method(plugin, tracker, replace(used, queries=how.queries, ask=how.ask), device, how)


def open_part(name: str, part: plugins.Offer, **given: Any) -> tuple[Any, MethodUsed]:
    """Find, load and build a part of a method, such as its encoder.

    Arguments:
        name: the name of a plugin, or `path.py:Attribute` where the attribute makes the part.
        given: see `make`.

    Raises:
        UserError: something cannot be found or built.
    """
    return make(plugins.find("methods", name, offer=part), part, **given)


def make(
    plugin: plugins.Plugin,
    part: plugins.Offer,
    *,
    weights: str | None,
    settings: Mapping[str, Any],
    device: str,
    seed: int,
) -> tuple[Any, MethodUsed]:
    """Call a plugin's factory for its tracker, its encoder or its explorer.

    Arguments:
        weights: a name that the plugin declares, a file, or "random". None: the default weights, if it has any.
        settings: values for the fields of its configuration.
        device: a torch device, for factories that take one.
        seed: for factories that take one.

    Returns:
        What the factory returned, and the method's entry for records.

    Raises:
        UserError: the plugin does not have this part, these settings or these weights.
    """
    factory = plugins.load(plugin, part)
    if plugin.spec.checkout:
        Checkout(plugin.spec.checkout)  # raises an error before weights are downloaded in vain
    file = Weights.find(plugin, weights)
    if weights is not None and not config.takes(factory, "weights"):
        raise UsageError(f"{plugin.name} has no weights", "this method is not trained")
    path = file.path if file else None
    settings = file.implied(settings, plugin.name) if file else settings
    built = config.call_with(factory, settings, owner=plugin.name, weights=path, device=device, seed=seed)
    source = Path(plugin.distribution)
    unused = built.product.unused_settings if isinstance(built.product, Selective) else ()
    ours = plugin.distribution in (OURS, "") or not plugin.version  # files have no version
    used = MethodUsed(
        name=plugin.name,
        settings=built.settings,
        seed=seed,
        source=file_digest(source) if source.suffix == ".py" else None,
        weights=WeightsUsed(file.name, file.sha256) if file else None,
        note=built.product.note if isinstance(built.product, Noted) else "",
        without_effect=built.without_effect(unused),
        checkout=built.product.checkout if isinstance(built.product, Foreign) else "",
        notice=(file.notice if file else "") or plugin.spec.notice,
        distribution="" if ours else f"{plugin.distribution} {plugin.version}",
        numerics=provenance.numerics(device) if config.takes(factory, "device") else "",
    )
    return built.product, used


def resolve_device(device: str) -> str:
    """The torch device to use. "auto" means "cuda" if there is one, else "cpu".

    Raises:
        UsageError: the user asked for CUDA and it is missing, or torch does not know the device.
    """
    import torch

    if device == "auto":
        return "cuda" if torch.cuda.is_available() else "cpu"
    try:
        kind = torch.device(device).type
    except RuntimeError as error:
        raise UsageError(f'"{device}" is no device', "use auto, cpu or cuda") from error
    if kind == "cuda" and not torch.cuda.is_available():
        raise UsageError("There is no CUDA device here", "torch does not see one", try_="vgmae-bench doctor")
    return device
