"""Frames of the compiled renderer equal those of the torch renderer, except for rounding."""

from __future__ import annotations

import dataclasses
from collections.abc import Iterator

import pytest
import torch

from tests.shared.compiler import needs_compiler
from vgmae_bench.data.synth import native
from vgmae_bench.data.synth.render import render_video
from vgmae_bench.data.synth.scene import SynthConfig, sample_scenes

SIZES = [(32, 32), (64, 64), (45, 83), (96, 40)]


@pytest.fixture
def untried() -> Iterator[None]:
    native._library.cache_clear()
    yield
    native._library.cache_clear()


@needs_compiler
@pytest.mark.parametrize(("height", "width"), SIZES)
@pytest.mark.parametrize("objects", [0, 4])
def test_frames_equal_those_of_torch_except_for_rounding(height: int, width: int, objects: int) -> None:
    config = SynthConfig(split="train", height=height, width=width, frames=3, speed=3.0, points=1, objects=objects)
    scenes = sample_scenes(config, range(8))
    fast, slow = native.render_fast(scenes, height, width), render_video(scenes, height, width)
    assert native._library() is not None
    assert fast.shape == slow.shape and fast.dtype == slow.dtype
    apart = (fast.int() - slow.int()).abs()
    assert apart.max() <= 1
    assert (apart > 0).double().mean() < 2e-3


@needs_compiler
def test_frames_do_not_depend_on_batch_and_threads() -> None:
    config = SynthConfig(height=32, width=48, frames=3, points=1)
    batch = native.render_fast(sample_scenes(config, range(4)), 32, 48)
    threads = torch.get_num_threads()
    torch.set_num_threads(2)
    try:
        assert torch.equal(batch, native.render_fast(sample_scenes(config, range(4)), 32, 48))
    finally:
        torch.set_num_threads(threads)
    assert torch.equal(batch[2], native.render_fast(sample_scenes(config, [2]), 32, 48)[0])


@needs_compiler
def test_every_split_and_seed_has_its_own_textures() -> None:
    scenes = sample_scenes(SynthConfig(height=32, width=32, frames=1, points=1), [0])
    other = dataclasses.replace(scenes, bank=(1, "train"))
    assert not torch.equal(native.render_fast(scenes, 32, 32), native.render_fast(other, 32, 32))
    apart = native.render_fast(other, 32, 32).int() - render_video(other, 32, 32).int()
    assert apart.abs().max() <= 1


@pytest.mark.usefixtures("untried")
def test_without_a_compiler_torch_renders(monkeypatch: pytest.MonkeyPatch, tmp_path: object) -> None:
    monkeypatch.setenv("VGMAE_BENCH_CACHE", str(tmp_path))
    monkeypatch.setenv("CXX", "no-such-compiler")
    scenes = sample_scenes(SynthConfig(height=32, width=32, frames=2, points=1), [0])
    assert torch.equal(native.render_fast(scenes, 32, 32), render_video(scenes, 32, 32))
