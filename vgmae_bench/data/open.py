"""Opens a dataset by the name that the user typed. A prepared form that is out of date gives a warning."""

from __future__ import annotations

import logging
from collections.abc import Mapping
from pathlib import Path
from typing import Any

from vgmae_bench import config, plugins
from vgmae_bench.data.dataset import OpenedDataset
from vgmae_bench.data.files.index import cached_index
from vgmae_bench.data.files.root import data_root, locate, prepared_path
from vgmae_bench.data.prepared import PreparedDataset
from vgmae_bench.errors import BadDataError, MissingDataError, PluginError, UserError
from vgmae_bench.files import file_digest
from vgmae_bench.plugins import DatasetSpec

_log = logging.getLogger(__name__)


def open_dataset(
    name: str,
    options: Mapping[str, Any] | None = None,
    root: Path | None = None,
    *,
    use_prepared: bool = True,
    quiet: bool = False,
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
        quiet: log no warnings, for callers that report the dataset's `notes` themselves.

    Raises:
        UserError: the name is unknown, settings are wrong, or files are missing or damaged.
    """
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
    made = OpenedDataset(dataset, plugin.name, options, plugin.spec.published_clips)
    if prepared and prepared in made.files:
        made.notes += tuple(_outdated(prepared, plugin.spec, where))
    for note in () if quiet else made.notes:
        _log.warning("%s: %s", made.name, note)
    return made


def _outdated(prepared: Path, spec: DatasetSpec, root: Path) -> list[str]:
    """A warning if the published files differ from those that the prepared file was made from; empty if they do not.

    A published file differs if its SHA-256 is not the recorded one. It is hashed only if it is newer than the prepared
    file and its hash is not cached. A file without a recorded hash differs if it is newer than the prepared file.
    """
    sources = {
        Path(str(name)).name: digest for name, digest, *_ in PreparedDataset(prepared, spec).about.get("sources") or ()
    }
    made = prepared.stat().st_mtime_ns
    published = [*locate(spec, root), *(sorted(root.glob(spec.annotations)) if spec.annotations else ())]
    changed = [file for file in published if _differs(file, sources.get(file.name), made)]
    if not changed:
        return []
    more = f" and {len(changed) - 1} more" if len(changed) > 1 else ""
    return [
        f"the prepared copy {prepared} was made from another version of {changed[0]}{more}; clips are read from the copy. "
        f"To make it again: vgmae-bench data prepare {spec.name}"
    ]


def _differs(file: Path, recorded: str | None, made: int) -> bool:
    newer = file.stat().st_mtime_ns > made
    if recorded is None:
        return newer
    known = cached_index(file)
    if known is not None:
        return known.sha256 != recorded
    return newer and file_digest(file) != recorded
