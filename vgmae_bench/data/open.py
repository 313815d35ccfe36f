"""Opening a dataset by the name that was typed."""

from __future__ import annotations

from collections.abc import Mapping
from pathlib import Path
from typing import Any

from vgmae_bench import config, plugins
from vgmae_bench.data.root import data_root
from vgmae_bench.plugins import DatasetSpec
from vgmae_bench.types import Dataset


def open_dataset(
    name: str, options: Mapping[str, Any] | None = None, root: Path | None = None
) -> tuple[Dataset, DatasetSpec]:
    """Open a dataset and say what is known of it.

    Arguments:
        name: as after `--dataset`: a plugin's name, or `path/to/file.py:Attribute`.
        options: its settings.
        root: the data root; None for the usual one (`data_root`).

    Raises:
        UserError: unknown name, wrong settings, files missing or damaged.
    """
    plugin = plugins.find("datasets", name)
    dataset, _ = config.call_with(plugins.load(plugin), options or {}, owner=plugin.name, root=data_root(root))
    return dataset, plugin.spec
