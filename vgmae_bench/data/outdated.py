"""Checks whether a prepared file was made from the published files that are in the data root now."""

from __future__ import annotations

from pathlib import Path

from vgmae_bench.data.files.index import cached_index
from vgmae_bench.data.files.root import locate
from vgmae_bench.data.prepared import PreparedDataset
from vgmae_bench.files import file_digest
from vgmae_bench.plugins import DatasetSpec


def outdated(prepared: Path, spec: DatasetSpec, root: Path) -> list[str]:
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
