"""Keeps rendered scenes in the cache folder. Files are written atomically, checked by digests, and shared by processes.

Evaluation keeps its clips here, training its banks of scenes (`vgmae_bench.training.clips.bank`).
"""

from __future__ import annotations

import hashlib
from collections.abc import Mapping, Sequence
from contextlib import suppress
from functools import partial
from pathlib import Path

from safetensors import SafetensorError, safe_open
from safetensors.torch import save_file
from torch import Tensor

from vgmae_bench.files import write_atomically

LIMIT = 2 * 2**30
"""The largest size of evaluation's cached clips, in bytes. Clips that were unused for the longest time are deleted first."""


def read_kept(file: Path, names: Sequence[str]) -> list[Tensor] | None:
    """The arrays of a file that `keep` wrote. None if the file does not exist or is damaged."""
    try:
        with safe_open(file, framework="pt") as opened:
            digests = opened.metadata() or {}
            arrays = [opened.get_tensor(name) for name in names]
    except (OSError, SafetensorError):
        return None
    # Banks of earlier versions have no digests.
    damaged = (name in digests and digests[name] != _sha256(array) for name, array in zip(names, arrays, strict=True))
    return None if any(damaged) else arrays


def keep(file: Path, arrays: Mapping[str, Tensor]) -> None:
    """Write arrays with their digests. The folder of the file must exist.

    Raises:
        StorageError: the file cannot be written.
    """
    whole = {name: array.contiguous() for name, array in arrays.items()}
    digests = {name: _sha256(array) for name, array in whole.items()}
    write_atomically(file, partial(save_file, whole, metadata=digests))


def make_room(folder: Path, needed: int, limit: int = LIMIT) -> bool:
    """Delete files, the longest unused first, until `needed` bytes fit into `limit`. False if they cannot fit."""
    if needed > limit:
        return False
    files = []
    for file in folder.rglob("*.safetensors"):
        with suppress(OSError):  # another process deleted it
            status = file.stat()
            files.append((status.st_mtime_ns, status.st_size, file))
    total = sum(size for _, size, _ in files)
    for _, size, file in sorted(files):
        if total + needed <= limit:
            break
        with suppress(OSError):
            file.unlink()
        total -= size
    return True


def _sha256(array: Tensor) -> str:
    return hashlib.sha256(array.numpy().data).hexdigest()
