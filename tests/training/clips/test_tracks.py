from __future__ import annotations

import pickle
from collections.abc import Sequence
from pathlib import Path

import numpy as np
import pytest
import torch

from vgmae_bench.errors import UnknownNameError, UsageError
from vgmae_bench.training.clips.tracks import DatasetTracks, SynthTracks, TrackBatch, open_tracks
from vgmae_bench.training.recipe import ClipShape

SHAPE = ClipShape(frames=4, image_size=32)


def same(one: TrackBatch, other: TrackBatch) -> bool:
    return all(torch.equal(a, b) for a, b in zip(one[:4], other[:4], strict=True)) and one.seeds == other.seeds


def test_synthetic_points_begin_in_view() -> None:
    batch = SynthTracks(0, 16).batch(range(3), SHAPE, "cpu")
    assert batch.video.shape == (3, 4, 32, 32, 3) and batch.video.dtype == torch.uint8
    assert batch.xy.shape == (3, 16, 4, 2) and batch.xy.dtype == torch.float32
    assert batch.occluded.shape == (3, 16, 4) and batch.valid.shape == (3, 16)
    assert batch.valid.all() and not batch.occluded[:, :, 0].any()
    seen = batch.xy[~batch.occluded]
    assert seen.min() >= 0 and seen.max() <= 1


def test_a_number_is_the_same_clip_in_any_batch() -> None:
    clips = SynthTracks(0, 8)
    whole = clips.batch(range(4), SHAPE, "cpu")
    part = clips.batch(range(2, 4), SHAPE, "cpu")
    assert torch.equal(part.video, whole.video[2:]) and torch.equal(part.occluded, whole.occluded[2:])
    torch.testing.assert_close(part.xy, whole.xy[2:])
    assert part.seeds == whole.seeds[2:]
    assert not torch.equal(SynthTracks(1, 8).batch(range(4), SHAPE, "cpu").video, whole.video)


def test_examples_are_other_clips() -> None:
    clips = SynthTracks(0, 8)
    assert not torch.equal(clips.examples(2, SHAPE, "cpu").video[0], clips.batch(range(1, 2), SHAPE, "cpu").video[0])


def davis(root: Path, videos: dict[str, tuple[np.ndarray, np.ndarray, np.ndarray]]) -> None:
    """A TAP-Vid-DAVIS file of these videos: frames, points, occluded."""
    path = root / "tapvid_davis" / "tapvid_davis.pkl"
    path.parent.mkdir(parents=True)
    entries = {name: dict(zip(("video", "points", "occluded"), parts, strict=True)) for name, parts in videos.items()}
    path.write_bytes(pickle.dumps(entries))


def video(frames: int, appears: Sequence[int]) -> tuple[np.ndarray, np.ndarray, np.ndarray]:
    """Points move right by 1/32 per frame, and each is visible from some frame on. Frame t has brightness t."""
    pictures = np.broadcast_to(np.arange(frames, dtype=np.uint8)[:, None, None, None], (frames, 24, 40, 3)).copy()
    start = np.stack([np.full(len(appears), 0.1), np.linspace(0.2, 0.8, len(appears))], axis=1)
    points = start[:, None] + np.arange(frames)[:, None] * np.array([1 / 32, 0])
    occluded = np.arange(frames) < np.array(appears)[:, None]
    return pictures, points.astype(np.float32), occluded


def test_windows_of_a_data_set(tmp_path: Path) -> None:
    davis(tmp_path, {"long": video(9, [0, 0, 3, 5])})
    clips = DatasetTracks("davis", {}, tmp_path, seed=0, points=3)
    batch = clips.batch(range(12), SHAPE, "cpu")
    starts = batch.video[:, 0, 0, 0, 0]
    assert set(starts.tolist()) <= set(range(6)) and len(set(starts.tolist())) > 2
    assert (batch.video[:, :, 0, 0, 0].int() - starts[:, None].int() == torch.arange(4)).all()
    assert batch.valid.sum(dim=1).tolist() == [2 if start < 3 else 3 for start in starts]
    x = batch.xy[..., 0][batch.valid]
    expected = 0.1 + (starts[:, None, None] + torch.arange(4)).expand(-1, 3, -1)[batch.valid] / 32
    torch.testing.assert_close(x, expected)
    assert not batch.occluded[batch.valid][:, 0].any() and batch.occluded[~batch.valid].all()
    assert same(clips.batch(range(12), SHAPE, "cpu"), batch)
    assert same(clips.batch(range(5, 6), SHAPE, "cpu"), TrackBatch(*(part[5:6] for part in batch)))


def test_strides_and_short_clips(tmp_path: Path) -> None:
    davis(tmp_path, {"short": video(5, [0])})
    clips = DatasetTracks("davis", {}, tmp_path, seed=0, points=1)
    batch = clips.batch(range(1), SHAPE._replace(stride=2), "cpu")
    assert batch.video[0, :, 0, 0, 0].tolist() == [0, 2, 4, 4]
    torch.testing.assert_close(batch.xy[0, 0, :, 0], 0.1 + torch.tensor([0, 2, 4, 4]) / 32)


def test_clips_without_a_visible_start_are_skipped_and_named(tmp_path: Path) -> None:
    davis(tmp_path, {"good": video(6, [0]), "late": video(6, [5])})
    clips = DatasetTracks("davis", {}, tmp_path, seed=0, points=1)
    assert clips.skipped() == {}
    assert clips.batch(range(8), SHAPE, "cpu").valid.all()
    assert [str(path) for path in clips.skipped()] == ["late"]


def test_the_description_of_the_data_identifies_a_training(tmp_path: Path) -> None:
    davis(tmp_path, {"long": video(9, [0])})
    described = [
        open_tracks("synth", {}, None, 0, 5).describe(),
        open_tracks("davis", {}, tmp_path, 0, 5).describe(),
    ]
    assert described[0] != described[1] and str(tmp_path) not in str(described)
    assert open_tracks("synth", {}, None, 0, 6).describe() != described[0]


def test_wrong_names_and_settings_are_refused() -> None:
    with pytest.raises(UnknownNameError, match="Did you mean davis"):
        open_tracks("daviss", {}, None, 0, 5)
    with pytest.raises(UsageError, match="synth"):
        open_tracks("synth", {"speed": 2}, None, 0, 5)
