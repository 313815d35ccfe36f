"""Opens a dataset by the name that the user typed."""

from __future__ import annotations

import logging
from collections.abc import Mapping
from dataclasses import replace
from pathlib import Path
from typing import Any

from vgmae_bench import config, plugins
from vgmae_bench.data.dataset import OpenedDataset, opened
from vgmae_bench.data.files.root import data_root, prepared_path
from vgmae_bench.data.outdated import outdated
from vgmae_bench.data.prepared import PreparedDataset
from vgmae_bench.errors import BadDataError, MissingDataError, PluginError, UserError

_log = logging.getLogger(__name__)


def open_dataset(
    name: str, options: Mapping[str, Any] | None = None, root: Path | None = None, *, use_prepared: bool = True
) -> OpenedDataset:
    """Open a dataset.

    If the data root holds a prepared form (`vgmae-bench data prepare`), that is used. A factory with a parameter `prepared`
    gets its path. For other factories, this function opens the prepared form itself, unless there are settings: only the
    factory understands them.

    The dataset's remarks on this copy, such as missing shards, are logged as warnings.

    Arguments:
        name: the value of `--dataset`: a plugin's name, or `path/to/file.py:Attribute`.
        options: its settings.
        root: the data root; None for the default (`data_root`).
        use_prepared: False ignores the prepared form.

    Raises:
        UserError: the name is unknown, settings are wrong, or files are missing or damaged.
    """
    dataset = open_quietly(name, options, root, use_prepared=use_prepared)
    for note in dataset.notes:
        _log.warning("%s: %s", dataset.name, note)
    return dataset


def open_quietly(
    name: str, options: Mapping[str, Any] | None = None, root: Path | None = None, *, use_prepared: bool = True
) -> OpenedDataset:
    """Like `open_dataset`, but without the warnings, for callers that report `notes` themselves."""
    plugin = plugins.find("datasets", name)
    factory, where = plugins.load(plugin), data_root(root)
    path = prepared_path(where, plugin.name)
    prepared = path if path.is_file() and use_prepared else None
    if prepared and not options and not config.takes(factory, "prepared"):
        dataset: object = PreparedDataset(prepared, plugin.spec)
    else:
        try:
            dataset, _ = config.call_with(factory, options or {}, owner=plugin.name, root=where, prepared=prepared)
        except UserError:
            raise
        except OSError as error:
            kind = MissingDataError if isinstance(error, FileNotFoundError) else BadDataError
            why = f"{error.filename}: {error.strerror}" if error.filename and error.strerror else str(error)
            raise kind(f"The dataset {plugin.name} could not be opened", why) from error
        except Exception as error:  # a plugin's constructor can raise anything
            why = f"{type(error).__name__}: {error}"
            raise PluginError(f"The dataset {plugin.name} could not be opened", why) from error
    made = opened(dataset, plugin.name)
    notes = outdated(prepared, plugin.spec, where) if prepared and prepared in made.files else ()
    known = {"settings": options or {}, "published_clips": plugin.spec.published_clips}
    return replace(made, notes=(*made.notes, *notes), **known)
