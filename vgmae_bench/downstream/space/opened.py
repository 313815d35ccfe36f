"""Opens an image model by its name."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from vgmae_bench import plugins
from vgmae_bench.evaluation.method import Made, make, resolve_device
from vgmae_bench.models.explorer import Explorer


def open_explorer(
    name: str, *, weights: str | None, settings: Mapping[str, Any], device: str, seed: int
) -> Made[Explorer]:
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
    return make(plugin, factory, settings, weights=weights, seed=seed, device=resolve_device(device))
