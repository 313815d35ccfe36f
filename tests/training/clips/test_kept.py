"""Repeated clips: equal, made once, within a limit."""

import torch

from vgmae_bench.training.clips import sources
from vgmae_bench.training.clips.kept import Kept
from vgmae_bench.training.clips.sources import open_clips
from vgmae_bench.training.recipe import ClipShape

SHAPE = ClipShape(2, 32)


def test_repeated_clips_are_equal_and_rendered_once(monkeypatch):
    rendered = []
    real = sources.synth_scenes
    monkeypatch.setattr(
        sources, "synth_scenes", lambda seed, numbers, shape: rendered.extend(numbers) or real(seed, numbers, shape)
    )
    kept, fresh = open_clips(["synth"], 3, 0, repeat=True), open_clips(["synth"], 3, 0)
    for numbers in (range(4), range(2, 6), range(4)):
        expected = fresh.batch(numbers, SHAPE, "cpu").video
        rendered.clear()
        assert torch.equal(kept.batch(numbers, SHAPE, "cpu").video, expected)
    assert rendered == []
    other = SHAPE._replace(speed=3.0)
    assert torch.equal(kept.batch(range(4), other, "cpu").video, fresh.batch(range(4), other, "cpu").video)


def test_changes_of_a_batch_do_not_reach_the_cache():
    kept = open_clips(["synth"], 3, 0, repeat=True)
    first = kept.batch(range(2), SHAPE, "cpu").video
    expected = first.clone()
    first.zero_()
    assert torch.equal(kept.batch(range(2), SHAPE, "cpu").video, expected)


def test_kept_clips_do_not_exceed_the_limit():
    clips = torch.arange(4, dtype=torch.uint8)[:, None].expand(4, 10)
    kept, made = Kept(limit=25), []
    for _ in range(2):
        assert torch.equal(kept.clips(range(4), SHAPE, lambda missing: made.append(missing) or clips[missing]), clips)
    assert made == [[0, 1, 2, 3], [2, 3]]
