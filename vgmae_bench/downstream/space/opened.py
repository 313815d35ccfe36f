"""A model of images by its name, ready to look."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

from vgmae_bench import plugins
from vgmae_bench.config import Json
from vgmae_bench.evaluation.method import make, resolve_device
from vgmae_bench.evaluation.record import Weights
from vgmae_bench.models.explorer import Explorer


@dataclass(frozen=True)
class Opened:
    """An explorer, and everything that what it sees depends on.

    Attributes:
        config: its settings, defaults included.
        source: SHA-256 of the file, for one from a file; None for an installed one.
    """

    plugin: plugins.Plugin
    explorer: Explorer
    config: Json
    source: str | None
    weights: Weights | None
    device: str
    seed: int

    @property
    def provided_by(self) -> str:
        """The weights in a few words."""
        return f"{self.weights.name} ({self.weights.sha256[:8]})" if self.weights else self.explorer.note or "none"

    def describe(self) -> dict[str, Json]:
        """For a record."""
        return {
            "method": self.plugin.name,
            "method_config": self.config,
            "method_source": self.source,
            "weights": {"name": self.weights.name, "sha256": self.weights.sha256} if self.weights else None,
            "note": self.explorer.note,
            "seed": self.seed,
        }


def open_explorer(name: str, *, weights: str | None, settings: Mapping[str, Any], device: str, seed: int) -> Opened:
    """Find, load and build a model of images.

    Arguments:
        name: of a plugin, or `path.py:Attribute`, where the attribute makes the explorer.
        weights: a name the method declares, a file, or "random"; None: its default ones, if any.
        settings: values for the fields of its configuration.
        device: "auto", "cpu", "cuda" or any torch device.
        seed: of random weights.

    Raises:
        UserError: whatever cannot be found or built.
    """
    plugin = plugins.find("methods", name, offer="explorer")
    factory = plugins.load(plugin, "explorer")
    where = resolve_device(device)
    made = make(plugin, factory, settings, weights=weights, device=where, seed=seed)
    return Opened(plugin, made.product, made.config, made.source, made.weights, where, seed)
