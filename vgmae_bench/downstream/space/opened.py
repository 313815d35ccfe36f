"""Opens an image model by its name."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

from vgmae_bench import plugins
from vgmae_bench.evaluation.method import make, provided_by, resolve_device
from vgmae_bench.evaluation.records.results import MethodUsed
from vgmae_bench.models.explorer import Explorer


@dataclass(frozen=True)
class Opened:
    """An opened explorer, and everything that its results depend on.

    Attributes:
        used: for records.
        device: a torch device, "cpu" or "cuda".
    """

    plugin: plugins.Plugin
    explorer: Explorer
    used: MethodUsed
    device: str

    @property
    def provided_by(self) -> str:
        """The weights in a few words."""
        return provided_by(self.used)


def open_explorer(name: str, *, weights: str | None, settings: Mapping[str, Any], device: str, seed: int) -> Opened:
    """Find, load and build a model of images.

    Arguments:
        name: a plugin's name, or `path.py:Attribute` where the attribute makes the explorer.
        weights: a name that the method declares, a file, or "random". None: its default weights, if any.
        settings: values for the fields of its configuration.
        device: "auto", "cpu", "cuda" or any torch device.
        seed: of random weights.

    Raises:
        UserError: the method, the weights or the settings cannot be used.
    """
    plugin = plugins.find("methods", name, offer="explorer")
    factory = plugins.load(plugin, "explorer")
    where = resolve_device(device)
    made = make(plugin, factory, settings, weights=weights, seed=seed, device=where)
    return Opened(plugin, made.product, made.used, where)
