"""Opening a dataset by the name that was typed."""

from __future__ import annotations

from collections.abc import Mapping
from pathlib import Path
from typing import Any

from vgmae_bench import config, plugins
from vgmae_bench.data.dataset import OpenedDataset, opened
from vgmae_bench.data.files.root import data_root, prepared_path
from vgmae_bench.data.prepared import PreparedDataset
from vgmae_bench.plugins import DatasetSpec


def open_dataset(
    name: str, options: Mapping[str, Any] | None = None, root: Path | None = None, *, use_prepared: bool = True
) -> tuple[OpenedDataset, DatasetSpec]:
    """Open a dataset and say what is known of it.

    Its prepared form (`vgmae-bench data prepare`) is used if it is below the data root. A factory that has a parameter
    `prepared` gets its path. For other factories it is opened in their place, unless there are settings, which only the
    factory understands.

    Arguments:
        name: as after `--dataset`: a plugin's name, or `path/to/file.py:Attribute`.
        options: its settings.
        root: the data root; None for the usual one (`data_root`).
        use_prepared: False leaves the prepared form aside.

    Raises:
        UserError: unknown name, wrong settings, files missing or damaged.
    """
    plugin = plugins.find("datasets", name)
    factory, where = plugins.load(plugin), data_root(root)
    path = prepared_path(where, plugin.name)
    prepared = path if path.is_file() and use_prepared else None
    if prepared and not options and not config.takes(factory, "prepared"):
        return opened(PreparedDataset(prepared, plugin.spec), plugin.name), plugin.spec
    dataset, _ = config.call_with(factory, options or {}, owner=plugin.name, root=where, prepared=prepared)
    return opened(dataset, plugin.name), plugin.spec
