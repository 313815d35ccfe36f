"""A method by its name, ready to track."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any, NamedTuple

from vgmae_bench import config, plugins
from vgmae_bench.config import Json
from vgmae_bench.errors import UsageError
from vgmae_bench.evaluation.record import Weights
from vgmae_bench.files import file_digest
from vgmae_bench.types import Noted, Tracker


@dataclass(frozen=True)
class Method:
    """A tracker, and everything its answers depend on.

    Attributes:
        config: its settings, defaults included.
        source: SHA-256 of the file, for a tracker from a file; None for an installed one.
        note: what the tracker says of itself ("random weights"), or nothing.
    """

    plugin: plugins.Plugin
    tracker: Tracker
    config: Json
    source: str | None
    weights: Weights | None
    device: str
    note: str

    @property
    def provided_by(self) -> str:
        """The weights in a few words."""
        return f"{self.weights.name} ({self.weights.sha256[:8]})" if self.weights else self.note or "none"


def open_method(name: str, *, weights: str | None, settings: Mapping[str, Any], device: str, seed: int) -> Method:
    """Find, load and build a method.

    Arguments:
        name: of a plugin, or `path.py:Attribute`.
        weights: a name the method declares, or a file; None: its default ones, if any.
        settings: values for the fields of its configuration.
        device: "auto", "cpu", "cuda" or any torch device.
        seed: for trackers that take one.

    Raises:
        UserError: whatever cannot be found or built.
    """
    plugin = plugins.find("methods", name)
    where = resolve_device(device)
    made = make(plugin, plugins.load(plugin, "tracker"), settings, weights=weights, device=where, seed=seed)
    note = made.product.note if isinstance(made.product, Noted) else ""
    return Method(plugin, made.product, made.config, made.source, made.weights, where, note)


class Made(NamedTuple):
    """What a plugin's factory gave, the settings and the weights that it was given, and the digest of its own file."""

    product: Any
    config: Json
    weights: Weights | None
    source: str | None


def make(
    plugin: plugins.Plugin, factory: Any, settings: Mapping[str, Any], *, weights: str | None, **given: Any
) -> Made:
    """Call a factory of a plugin: its tracker's, its encoder's, its explorer's.

    Arguments:
        settings: values for the fields of its configuration.
        weights: a name the plugin declares, a file, or "random"; None: its default ones, if any.
        given: what else it may name.

    Raises:
        UserError: settings or weights that it does not have.
    """
    file = Weights.find(plugin, weights)
    if weights is not None and not config.takes(factory, "weights"):
        raise UsageError(f"{plugin.name} has no weights", "it learns nothing")
    path = file.path if file else None
    product, settled = config.call_with(factory, settings, owner=plugin.name, weights=path, **given)
    source = Path(plugin.distribution)
    return Made(product, settled, file, file_digest(source) if source.suffix == ".py" else None)


def resolve_device(device: str) -> str:
    """ "auto" → "cuda" where there is one, else "cpu".

    Raises:
        UsageError: CUDA was asked for and is not there, or torch does not know the device.
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
