from __future__ import annotations

from pathlib import Path

import pytest
import torch

from vgmae_bench.errors import UsageError
from vgmae_bench.training.clips.bank import PART, Bank, BankConfig
from vgmae_bench.training.clips.sources import SynthClips
from vgmae_bench.training.clips.tracks import SynthTracks
from vgmae_bench.training.recipe import ClipShape

CONFIG = BankConfig(scenes=PART, frames=6, image_size=32, speed=2.0, seed=3)
SHAPE = ClipShape(frames=3, image_size=32, stride=2)


@pytest.fixture(scope="module")
def cache(tmp_path_factory: pytest.TempPathFactory) -> Path:
    return tmp_path_factory.mktemp("cache")


@pytest.fixture
def bank(cache: Path, monkeypatch: pytest.MonkeyPatch) -> Bank:
    monkeypatch.setenv("VGMAE_BENCH_CACHE", str(cache))
    return Bank(CONFIG)


def test_a_clip_depends_only_on_its_number(bank: Bank) -> None:
    whole, alone = bank.read(range(40), SHAPE), bank.read([7], SHAPE)
    assert whole.video.shape == (40, 3, 32, 32, 3) and whole.video.dtype == torch.uint8
    for all_of_them, one in zip(whole, alone, strict=True):
        assert torch.equal(all_of_them[7], one[0])
    assert len({clip.numpy().tobytes() for clip in whole.video}) == 40


def test_tracks_match_the_frames_after_every_augmentation(bank: Bank) -> None:
    """The colour at a visible point stays about the same. At the place of its first frame it changes more."""
    clips = bank.read(range(200), ClipShape(frames=4, image_size=32, stride=1))
    seen = clips.clear[:, :, None] & ~clips.occluded
    where = (clips.xy * 32).floor().long().clamp(0, 31)
    rows = torch.arange(200)[:, None]

    def colours(frame: int, at: torch.Tensor) -> torch.Tensor:
        return clips.video[rows, frame, at[..., 1], at[..., 0]].float()

    moved = seen[:, :, 0] & seen[:, :, 3] & ((clips.xy[:, :, 3] - clips.xy[:, :, 0]).norm(dim=-1) * 16 > 2)
    first = colours(0, where[:, :, 0])
    followed = (colours(3, where[:, :, 3]) - first).abs().mean(dim=-1)[moved].mean()
    stayed = (colours(3, where[:, :, 0]) - first).abs().mean(dim=-1)[moved].mean()
    assert moved.sum() > 100 and followed < 0.75 * stayed


def test_a_second_training_renders_nothing_and_damaged_parts_are_made_again(
    bank: Bank, cache: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    files = list(cache.glob("synth-bank/*/*.safetensors"))
    assert len(files) == 1
    before = bank.read(range(4), SHAPE)
    with monkeypatch.context() as patched:
        patched.setattr("vgmae_bench.training.clips.bank._render", None)  # which cannot be called
        again = Bank(CONFIG)
    content = files[0].read_bytes()
    files[0].unlink()  # the bank has it mapped: its content must not change under it
    files[0].write_bytes(content[:1000])
    for one in (again, Bank(CONFIG)):
        assert all(torch.equal(a, b) for a, b in zip(before, one.read(range(4), SHAPE), strict=True))


def test_sources_cut_their_clips_from_it(bank: Bank) -> None:
    numbers = range(5, 9)
    video = SynthClips(seed=3, bank=bank).read(numbers, SHAPE, "cpu")
    batch = SynthTracks(3, 12, bank).batch(numbers, SHAPE, "cpu")
    assert torch.equal(video, bank.read(numbers, SHAPE).video) and torch.equal(video, batch.video)
    assert batch.xy.shape == (4, 12, 3, 2)
    assert not (batch.occluded[:, :, 0] & batch.valid).any()
    assert not torch.equal(SynthClips(seed=3, bank=bank).read([-1], SHAPE, "cpu")[0], video[0])


def test_an_unsuitable_bank_is_an_error(bank: Bank) -> None:
    with pytest.raises(UsageError, match="bank has scenes of 6 frames") as raised:
        bank.read([0], ClipShape(frames=8, image_size=32))
    assert "bank_frames" in str(raised.value.try_)
    assert bank.read([0], ClipShape(frames=6, image_size=32, stride=3)).xy.isfinite().all()
    with pytest.raises(UsageError, match="two frames"):
        BankConfig(scenes=64, frames=1, image_size=32, speed=1.0, seed=0)
