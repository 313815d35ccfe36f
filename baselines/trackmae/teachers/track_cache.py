"""Caches a teacher's tracks on disk, so that they are computed once per clip.

The key of an entry is a hash of the clip's pixels, the grid, and everything that the teacher depends on. So an entry is never
wrong for a clip, whatever its data, seed or resolution, and trainings on the same clips share the tracks.
"""

from __future__ import annotations

import hashlib
import threading
from collections.abc import Iterable
from concurrent.futures import ThreadPoolExecutor
from contextlib import suppress
from functools import partial
from pathlib import Path
from typing import NamedTuple

import numpy as np
import numpy.typing as npt
import torch
from torch import Tensor

from vgmae_bench.config import Json, digest
from vgmae_bench.errors import StorageError
from vgmae_bench.files import write_atomically

from .teacher import Teacher, TeacherTracks

SURVEY_EVERY = 256
"""Number of written entries after which the folder's size is measured again, because other processes write there, too."""

Entry = tuple[npt.NDArray[np.float32], npt.NDArray[np.bool_]]
"""One clip's xy [N, T, 2] and visible [N, T]."""


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
        shape = (grid * grid, video.shape[1])
        clips = video.cpu().numpy()

        def look_up(clip: npt.NDArray[np.uint8]) -> tuple[Path, Entry | None]:
            path = self._path(clip, grid)
            return path, _read(path, shape)

        with ThreadPoolExecutor(torch.get_num_threads(), thread_name_prefix="tracks") as pool:
            looked_up = list(pool.map(look_up, clips))
        known = {path: entry for path, entry in looked_up if entry is not None}
        new = {path: clip for clip, (path, _) in enumerate(looked_up) if path not in known}  # equal clips only once
        self.asked, self.found = self.asked + len(clips), self.found + sum(path in known for path, _ in looked_up)
        if new:
            rows = list(new.values())
            answer = self._teacher.tracks(video[rows], tuple(numbers[row] for row in rows) if numbers else (), grid)
            known.update(zip(new, zip(answer.xy.cpu().numpy(), answer.visible.cpu().numpy(), strict=True), strict=True))
            self._keep((path, known[path]) for path in new)
        xy, visible = (np.stack(part) for part in zip(*(known[path] for path, _ in looked_up), strict=True))
        return TeacherTracks(torch.from_numpy(xy).to(video.device), torch.from_numpy(visible).to(video.device))

    def describe(self) -> Json:
        """Everything that the tracks depend on, as plain JSON."""
        return self._teacher.describe()

    def usage(self) -> Usage:
        """The usage of the whole folder, by all processes."""
        sizes = [path.stat().st_size for path in self._folder.glob("*/*/*.tracks")]
        return Usage(len(sizes), sum(sizes) / 1e6)

    def _path(self, clip: npt.NDArray[np.uint8], grid: int) -> Path:
        name = hashlib.sha256(f"{clip.shape} {grid} ".encode())
        name.update(clip.tobytes())
        return self._folder / self._identity[:16] / name.hexdigest()[:2] / f"{name.hexdigest()}.tracks"

    def _keep(self, entries: Iterable[tuple[Path, Entry]]) -> None:
        """Write entries up to the limit. Only one thread may do this, because temporary names depend on the process only."""
        with self._lock:
            for path, entry in entries:
                if self._until_survey == 0:
                    self._size, self._until_survey = round(self.usage().megabytes * 1e6), SURVEY_EVERY
                size = entry[0].nbytes + entry[1].nbytes  # slightly overestimated
                if self._size + size > self._limit:
                    return
                with suppress(OSError, StorageError):
                    path.parent.mkdir(parents=True, exist_ok=True)
                    write_atomically(path, partial(_write, entry=entry))
                self._size += size
                self._until_survey -= 1


def _write(path: Path, entry: Entry) -> None:
    """Write an entry: SHA-256 of the rest, positions, visibility (one bit each)."""
    content = entry[0].astype("<f4").tobytes() + np.packbits(entry[1]).tobytes()
    path.write_bytes(hashlib.sha256(content).digest() + content)


def _read(path: Path, shape: tuple[int, int]) -> Entry | None:
    """An entry of N points in T frames, or None if it is missing or damaged."""
    try:
        stored = path.read_bytes()
    except OSError:
        return None
    checksum, content = stored[:32], stored[32:]
    count, positions = shape[0] * shape[1], shape[0] * shape[1] * 8
    if len(content) != positions + (count + 7) // 8 or hashlib.sha256(content).digest() != checksum:
        return None
    xy = np.frombuffer(content[:positions], dtype="<f4").astype(np.float32).reshape(*shape, 2)
    bits = np.frombuffer(content[positions:], dtype=np.uint8)
    return xy, np.unpackbits(bits, count=count).astype(np.bool_).reshape(shape)
