"""Opens a method by its name: finds its weights and builds its tracker."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field, replace
from pathlib import Path
from typing import Any, Generic, NamedTuple, TypeVar

from vgmae_bench import config, plugins, provenance
from vgmae_bench.checkouts import Checkout
from vgmae_bench.data.files.remote import ensure_file
from vgmae_bench.errors import PluginError, UsageError, WeightsError
from vgmae_bench.evaluation.asking import Asking, asking_of
from vgmae_bench.evaluation.records.results import MethodUsed, WeightsUsed
from vgmae_bench.files import cache_folder, file_digest
from vgmae_bench.specs import RemoteWeights
from vgmae_bench.types import Foreign, Noted, Selective, Tracker

P = TypeVar("P")
OURS = "vgmae-bench"
"""The distribution that holds this benchmark and its own methods."""
UNTRAINED = "random"
"""Instead of a weights name: build the method without training, as a baseline."""


@dataclass(frozen=True)
class Weights:
    """A weights file, its name and its SHA-256.

    Attributes:
        settings: of the method, which these weights were made for.
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
                `vgmae_bench.data.files.remote.ensure_file`.
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

    @property
    def used(self) -> WeightsUsed:
        """The name and SHA-256 for records, without the path."""
        return WeightsUsed(self.name, self.sha256)

    def implied(self, given: Mapping[str, Any], owner: str) -> dict[str, Any]:
        """The settings `given` by the user, with those that the weights were made for.

        Raises:
            UsageError: the user gave another value.
        """
        for name, value in self.settings.items():
            if given.get(name, value) != value:
                told = f"and not for {name}={given[name]}"
                raise UsageError(
                    f"The weights {self.name} of {owner} are for {name}={value}", told, try_="without --set"
                )
        return {**self.settings, **given}


@dataclass(frozen=True)
class Method:
    """A tracker and what it was built from.

    Attributes:
        used: the method's entry for records.
        weights: the weights file; None if the tracker was built without one.
        device: a torch device, for example "cpu" or "cuda".
        how: how the tracker is asked.
    """

    plugin: plugins.Plugin
    tracker: Tracker
    used: MethodUsed
    weights: Weights | None
    device: str
    how: Asking = field(default_factory=Asking)


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
        ask: how many queries a call has, see `vgmae_bench.evaluation.asking.parse`; None: as suits the tracker.

    Raises:
        UserError: something cannot be found or built.
    """
    plugin = plugins.find("methods", name)
    where = resolve_device(device)
    made = make(plugin, plugins.load(plugin, "tracker"), settings, weights=weights, seed=seed, device=where)
    if not isinstance(made.product, Tracker) or not callable(made.product.track):
        raise PluginError(
            f"{plugin.name} is no tracker", "a tracker has a method track(frames, queries) that returns Tracks"
        )
    how = asking_of(plugin.spec, made.product, ask)
    return Method(plugin, made.product, asked_as(made.used, how), made.weights, where, how)


def asked_as(used: MethodUsed, how: Asking) -> MethodUsed:
    """The entry for records, with how the tracker is asked."""
    return replace(used, queries=how.queries, ask=how.ask)


class Made(NamedTuple, Generic[P]):
    """What a plugin's factory returned, and what it was called with."""

    product: P
    used: MethodUsed
    weights: Weights | None


def make(
    plugin: plugins.Plugin, factory: Any, settings: Mapping[str, Any], *, weights: str | None, seed: int, **given: Any
) -> Made[Any]:
    """Call a factory of a plugin: the one for its tracker, its encoder or its explorer.

    Arguments:
        settings: values for the fields of its configuration.
        weights: a name that the plugin declares, a file, or "random". None: the default weights, if it has any.
        seed: for factories that take one.
        given: other arguments. The factory gets those that its signature names.

    Raises:
        UserError: the plugin does not have these settings or weights.
    """
    if plugin.spec.checkout:
        Checkout(plugin.spec.checkout)  # what is missing is told before weights are fetched
    file = Weights.find(plugin, weights)
    if weights is not None and not config.takes(factory, "weights"):
        raise UsageError(f"{plugin.name} has no weights", "this method is not trained")
    path = file.path if file else None
    settings = file.implied(settings, plugin.name) if file else settings
    built = config.call_with(factory, settings, owner=plugin.name, weights=path, seed=seed, **given)
    source = Path(plugin.distribution)
    unused = built.product.unused_settings if isinstance(built.product, Selective) else ()
    used = MethodUsed(
        name=plugin.name,
        settings=built.settings,
        seed=seed,
        source=file_digest(source) if source.suffix == ".py" else None,
        weights=file.used if file else None,
        note=built.product.note if isinstance(built.product, Noted) else "",
        without_effect=built.without_effect(unused),
        checkout=built.product.checkout if isinstance(built.product, Foreign) else "",
        notice=(file.notice if file else "") or plugin.spec.notice,
        distribution=_distribution(plugin),
        numerics=provenance.numerics(given["device"]) if "device" in given and config.takes(factory, "device") else "",
    )
    return Made(built.product, used, file)


def _distribution(plugin: plugins.Plugin) -> str:
    """ "name version" of the distribution that a plugin comes from; empty for this one, and for files."""
    ours = plugin.distribution in (OURS, "") or not plugin.version
    return "" if ours else f"{plugin.distribution} {plugin.version}"


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
