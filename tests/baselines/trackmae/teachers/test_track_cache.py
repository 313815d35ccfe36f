"""Cached tracks equal the teacher's, even if files are damaged or cannot be written."""

from __future__ import annotations

import os
from concurrent.futures import ProcessPoolExecutor
from pathlib import Path

import pytest
import torch
from torch import Tensor
from vgmae_baselines.trackmae.teachers.teacher import TeacherTracks
from vgmae_baselines.trackmae.teachers.track_cache import CachedTeacher

from tests.shared.processes import context
from vgmae_bench.config import Json


class Counting:
    """A teacher whose tracks depend on the pixels. It counts the requested clips."""

    def __init__(self, version: int = 0) -> None:
        self.clips = 0
        self._version = version

    def tracks(self, video: Tensor, seeds: tuple[int, ...], grid: int) -> TeacherTracks:
        assert len(seeds) == len(video)
        self.clips += len(video)
        xy = video.flatten(2).float().mean(dim=2)[:, None, :, None] / torch.arange(3, grid * grid + 3)[:, None, None]
        xy = (xy + self._version).expand(-1, -1, -1, 2).contiguous()
        return TeacherTracks(xy, xy[..., 0] > xy.mean())

    def describe(self) -> Json:
        return {"teacher": "counting", "version": self._version}


def clips(count: int, seed: int = 0) -> Tensor:
    return torch.randint(256, (count, 5, 16, 16, 3), dtype=torch.uint8, generator=torch.Generator().manual_seed(seed))


def same(one: TeacherTracks, other: TeacherTracks) -> bool:
    return torch.equal(one.xy, other.xy) and torch.equal(one.visible, other.visible)


def entries(folder: Path) -> list[Path]:
    return sorted(path for path in folder.rglob("*") if path.is_file())


def test_every_clip_is_tracked_by_the_teacher_once(tmp_path: Path) -> None:
    teacher, video = Counting(), clips(4)
    cached = CachedTeacher(teacher, tmp_path, 100)
    first = cached.tracks(video, (0, 1, 2, 3), 4)
    assert teacher.clips == 4
    assert same(first, Counting().tracks(video, (0, 1, 2, 3), 4))
    assert first.xy.dtype == torch.float32 and first.visible.dtype == torch.bool
    again = CachedTeacher(teacher, tmp_path, 100).tracks(video.flip(0), (9, 9, 9, 9), 4)
    assert teacher.clips == 4
    assert torch.equal(again.xy, first.xy.flip(0)) and torch.equal(again.visible, first.visible.flip(0))
    more = cached.tracks(torch.cat([video[1:2], clips(1, seed=1), video[:1]]), (1, 7, 0), 4)
    assert teacher.clips == 5
    assert torch.equal(more.xy[[0, 2]], first.xy[[1, 0]])
    assert (cached.asked, cached.found) == (7, 2)
    assert cached.usage().entries == 5
    assert cached.usage().megabytes == sum(path.stat().st_size for path in entries(tmp_path)) / 1e6


def test_equal_clips_in_a_batch_are_tracked_once(tmp_path: Path) -> None:
    teacher, video = Counting(), clips(1).expand(3, -1, -1, -1, -1)
    found = CachedTeacher(teacher, tmp_path, 100).tracks(video, (0, 1, 2), 2)
    assert teacher.clips == 1
    assert torch.equal(found.xy[0], found.xy[2])


def test_the_cache_key_contains_everything_that_tracks_depend_on(tmp_path: Path) -> None:
    teacher, video = Counting(), clips(1)
    cached = CachedTeacher(teacher, tmp_path, 100)
    cached.tracks(video, (0,), 4)
    assert cached.tracks(video, (0,), 3).xy.shape == (1, 9, 5, 2)
    assert teacher.clips == 2
    cached.tracks(video.view(1, 5, 8, 32, 3), (0,), 4)  # the same bytes
    assert teacher.clips == 3
    other = Counting(version=1)
    assert not same(CachedTeacher(other, tmp_path, 100).tracks(video, (0,), 4), cached.tracks(video, (0,), 4))
    assert other.clips == 1 and teacher.clips == 3


def flip_a_bit(path: Path) -> None:
    content = bytearray(path.read_bytes())
    content[len(content) // 2] ^= 1
    path.write_bytes(content)


def truncate(path: Path) -> None:
    os.truncate(path, path.stat().st_size // 2)


def empty(path: Path) -> None:
    path.write_bytes(b"")


def replace(path: Path) -> None:
    path.write_bytes(b"something else" * 100)


@pytest.mark.parametrize("damage", [flip_a_bit, truncate, empty, replace])
def test_damaged_cache_entries_are_recomputed(tmp_path: Path, damage: object) -> None:
    assert callable(damage)
    teacher, video = Counting(), clips(2)
    cached = CachedTeacher(teacher, tmp_path, 100)
    first = cached.tracks(video, (0, 1), 8)
    for path in entries(tmp_path):
        damage(path)
    assert same(cached.tracks(video, (0, 1), 8), first)
    assert teacher.clips == 4
    assert same(cached.tracks(video, (0, 1), 8), first)
    assert teacher.clips == 4


def test_a_full_cache_keeps_its_entries(tmp_path: Path) -> None:
    teacher, video = Counting(), clips(40)
    cached = CachedTeacher(teacher, tmp_path, limit_mb=1)
    cached.tracks(video[:8], tuple(range(8)), 64)  # 180 kB each
    full = cached.usage()
    assert 3 <= full.entries < 8 and full.megabytes <= 1
    cached.tracks(video[8:], tuple(range(8, 40)), 64)
    assert cached.usage() == full
    cached.tracks(video[:2], (0, 1), 64)
    assert teacher.clips == 40
    fresh = CachedTeacher(teacher, tmp_path, limit_mb=1)
    fresh.tracks(video[30:], tuple(range(10)), 64)
    assert fresh.usage() == full


def test_an_unwritable_cache_only_costs_time(tmp_path: Path) -> None:
    (tmp_path / "file").write_text("no folder")
    teacher, video = Counting(), clips(2)
    cached = CachedTeacher(teacher, tmp_path / "file", 100)
    assert same(cached.tracks(video, (0, 1), 4), cached.tracks(video, (0, 1), 4))
    assert teacher.clips == 4


def work(folder: Path) -> float:
    """Fill the cache together with other processes. Returns the sum over all tracks."""
    cached = CachedTeacher(Counting(), folder, 100)
    video = clips(6)
    return sum(float(cached.tracks(video.roll(turn, 0), tuple(range(6)), 8).xy.sum()) for turn in range(4))


def test_processes_share_a_folder(tmp_path: Path) -> None:
    with ProcessPoolExecutor(2, mp_context=context()) as pool:
        sums = list(pool.map(work, [tmp_path] * 2))
    alone = sum(float(Counting().tracks(clips(6).roll(turn, 0), tuple(range(6)), 8).xy.sum()) for turn in range(4))
    assert sums == pytest.approx([alone] * 2)
    assert [path.suffix for path in entries(tmp_path)] == [".safetensors"] * 6
    late = Counting()
    CachedTeacher(late, tmp_path, 100).tracks(clips(6), tuple(range(6)), 8)
    assert late.clips == 0
