"""Caches a teacher's tracks on disk, so that they are computed once per clip.

The key of an entry is a hash of the clip's pixels, the grid, and everything that the teacher depends on. So an entry is never
wrong for a clip, whatever its data, seed or resolution, and trainings on the same clips share the tracks.
"""

from __future__ import annotations

import hashlib
import threading
from collections.abc import Mapping
from concurrent.futures import ThreadPoolExecutor
from contextlib import suppress
from pathlib import Path
from typing import NamedTuple

import numpy as np
import numpy.typing as npt
import torch
from torch import Tensor

from vgmae_bench.config import Json, digest
from vgmae_bench.data.synth.kept import keep, read_kept
from vgmae_bench.errors import StorageError

from .teacher import Teacher, TeacherTracks

HEADER = 1024
"""Bytes of an entry in addition to its arrays, at most."""
SURVEY_EVERY = 256
"""Number of written entries after which the folder's size is measured again, because other processes write there, too."""


class Usage(NamedTuple):
    """The number of entries in a cache folder, and their size."""

    entries: int
    megabytes: float


class CachedTeacher:
    """A teacher that is called once per clip; see `vgmae_baselines.trackmae.teachers.teacher.Teacher`.

    Any number of processes can share the folder. A damaged entry counts as missing. When the folder is full, new clips are
    not stored, and no entry is deleted: clips repeat in the same order, so the oldest entry is needed first.

    Arguments:
        teacher: the teacher.
        folder: the cache folder, created on first use. Failed writes are ignored.
        limit_mb: size limit of the folder in MB.

    Attributes:
        asked, found: number of requested clips so far, and of those found in the cache.
    """

    def __init__(self, teacher: Teacher, folder: Path, limit_mb: int) -> None:
        self.asked = self.found = 0
        self._teacher, self._folder, self._limit = teacher, folder, limit_mb * 1_000_000
        self._identity = digest(teacher.describe())
        self._lock = threading.Lock()
        self._size = 0
        self._until_survey = 0

    def tracks(self, video: Tensor, numbers: tuple[int, ...], grid: int) -> TeacherTracks:
        """The teacher's tracks, bit for bit."""
        with ThreadPoolExecutor(torch.get_num_threads(), thread_name_prefix="tracks") as pool:
            paths = list(pool.map(lambda clip: self._path(clip, grid), video.cpu().numpy()))
            entries = zip(paths, pool.map(lambda path: read_kept(path, TeacherTracks._fields), paths), strict=True)
            known = {path: TeacherTracks(*entry) for path, entry in entries if entry is not None}
        new = {path: clip for clip, path in enumerate(paths) if path not in known}  # equal clips only once
        self.asked, self.found = self.asked + len(paths), self.found + sum(path in known for path in paths)
        if new:
            rows = list(new.values())
            answer = self._teacher.tracks(video[rows], tuple(numbers[row] for row in rows) if numbers else (), grid)
            made = {
                path: TeacherTracks(*entry) for path, *entry in zip(new, *(part.cpu() for part in answer), strict=True)
            }
            self._keep(made)
            known |= made
        xy, visible = (
            torch.stack(part).to(video.device) for part in zip(*(known[path] for path in paths), strict=True)
        )
        return TeacherTracks(xy, visible)

    def describe(self) -> Json:
        """Everything that the tracks depend on, as plain JSON."""
        return self._teacher.describe()

    def usage(self) -> Usage:
        """The usage of the whole folder, by all processes."""
        sizes = [path.stat().st_size for path in self._folder.glob("*/*/*.safetensors")]
        return Usage(len(sizes), sum(sizes) / 1e6)

    def _path(self, clip: npt.NDArray[np.uint8], grid: int) -> Path:
        name = hashlib.sha256(f"{clip.shape} {grid} ".encode())
        name.update(clip.tobytes())
        return self._folder / self._identity[:16] / name.hexdigest()[:2] / f"{name.hexdigest()}.safetensors"

    def _keep(self, entries: Mapping[Path, TeacherTracks]) -> None:
        """Write entries up to the limit. Only one thread may do this, because temporary names depend on the process only."""
        with self._lock:
            for path, entry in entries.items():
                if self._until_survey == 0:
                    self._size, self._until_survey = round(self.usage().megabytes * 1e6), SURVEY_EVERY
                size = entry.xy.nbytes + entry.visible.nbytes + HEADER
                if self._size + size > self._limit:
                    return
                with suppress(OSError, StorageError):
                    path.parent.mkdir(parents=True, exist_ok=True)
                    keep(path, entry._asdict())
                self._size += size
                self._until_survey -= 1
