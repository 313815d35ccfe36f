from __future__ import annotations

from pathlib import Path

import numpy as np
import pytest
import torch
import torch.nn.functional as F
from PIL import Image

from vgmae_bench.data.synth import native
from vgmae_bench.errors import MissingDataError, UsageError
from vgmae_bench.training.clips import sources
from vgmae_bench.training.clips.sources import Kept, SynthClips, calibration_clip, open_clips
from vgmae_bench.training.clips.synthetic import clip_seed
from vgmae_bench.training.recipe import ClipShape

SHAPE = ClipShape(frames=2, image_size=32)


def folder(path: Path, colour: int) -> Path:
    """A folder with a video of one colour, as frames."""
    (path / "video").mkdir(parents=True)
    for number in range(4):
        Image.fromarray(np.full((40, 48, 3), colour, dtype=np.uint8)).save(path / "video" / f"{number}.png")
    return path


def test_a_clip_depends_only_on_its_number() -> None:
    clips = open_clips(["synth"], seed=3, workers=0)
    whole = clips.batch(range(4, 8), SHAPE, "cpu")
    assert whole.video.shape == (4, 2, 32, 32, 3)
    assert whole.video.dtype == torch.uint8
    part = clips.batch(range(6, 8), SHAPE, "cpu")
    assert torch.equal(part.video, whole.video[2:])
    assert part.seeds == whole.seeds[2:] and part.numbers == (6, 7)
    assert not torch.equal(open_clips(["synth"], seed=4, workers=0).batch(range(4, 8), SHAPE, "cpu").video, whole.video)


def test_examples_differ_from_the_training_clips() -> None:
    clips = open_clips(["synth"], seed=0, workers=0)
    shown, trained = clips.examples(2, SHAPE, "cpu").video, clips.batch(range(8), SHAPE, "cpu").video
    assert not any(torch.equal(one, other) for one in shown for other in trained)
    assert torch.equal(shown, clips.examples(2, SHAPE, "cpu").video)
    assert clips.examples(2, SHAPE, "cpu").numbers == (-1, -2)


def test_the_true_flow_of_examples_takes_each_frame_to_the_next() -> None:
    shape = ClipShape(frames=3, image_size=128)
    examples = open_clips(["synth"], seed=0, workers=0).examples(2, shape, "cpu")
    assert examples.flow is not None and examples.flow.shape == (2, 2, 128, 128, 2)
    video = examples.video.float()
    ticks = torch.arange(128) + 0.5
    y, x = torch.meshgrid(ticks, ticks, indexing="ij")

    def error(flow: torch.Tensor) -> float:
        """The mean difference between a pixel and the pixel at its flow target."""
        at = (torch.stack([x, y], dim=-1) + flow.flatten(0, 1)) / 64 - 1
        ahead = F.grid_sample(video[:, 1:].flatten(0, 1).movedim(-1, 1), at, align_corners=False)
        return float((ahead.movedim(1, -1) - video[:, :-1].flatten(0, 1)).abs().mean())

    true, still = error(examples.flow), error(torch.zeros_like(examples.flow))
    assert true < 0.5 * still
    assert true < 0.5 * error(-examples.flow) and true < 0.5 * error(examples.flow.flip(-1))


def test_flow_of_examples_is_nan_if_unknown(tmp_path: Path) -> None:
    grey = str(folder(tmp_path / "grey", 100))
    assert open_clips([grey], seed=0, workers=1).examples(2, SHAPE, "cpu").flow is None
    mixed = open_clips(["synth", grey], seed=0, workers=1).examples(2, SHAPE, "cpu").flow
    assert mixed is not None and mixed.isnan().flatten(1).all(dim=1).tolist() == [False, True]


def test_sources_are_mixed_by_weight_and_keep_their_order(tmp_path: Path) -> None:
    dark, light = folder(tmp_path / "dark", 10), folder(tmp_path / "light", 200)
    clips = open_clips([f"{dark}=3", str(light)], seed=0, workers=2)
    whole = clips.batch(range(200), SHAPE, "cpu").video.float().mean(dim=(1, 2, 3, 4))
    assert 0.65 < (whole < 100).float().mean() < 0.85
    assert torch.equal(clips.batch(range(50, 60), SHAPE, "cpu").video.float().mean(dim=(1, 2, 3, 4)), whole[50:60])
    assert clips.examples(2, SHAPE, "cpu").video.float().mean(dim=(1, 2, 3, 4)).tolist() == [10, 200]
    described = str(clips.describe())
    assert "0.75" in described
    assert str(tmp_path) not in described


def test_unreadable_files_are_listed(tmp_path: Path) -> None:
    videos = folder(tmp_path / "videos", 10)
    (videos / "broken.mp4").write_bytes(b"nothing")
    clips = open_clips([str(videos)], seed=0, workers=2)
    clips.batch(range(8), SHAPE, "cpu")
    assert [path.name for path in clips.skipped()] == ["broken.mp4"]


@pytest.mark.parametrize(
    ("data", "message"),
    [("./nothing", "neither synth nor a folder"), ("synth=x", "not a weight"), ("synth=0", "not a weight")],
)
def test_impossible_data(data: str, message: str) -> None:
    with pytest.raises(UsageError, match=message):
        open_clips([data], seed=0, workers=0)


def test_an_empty_folder(tmp_path: Path) -> None:
    with pytest.raises(MissingDataError):
        open_clips([str(tmp_path)], seed=0, workers=0)


def test_seeds_differ() -> None:
    seeds = [clip_seed(seed, number) for seed in range(3) for number in range(-3, 3)]
    assert len(set(seeds)) == len(seeds)
    assert all(0 <= seed < 2**63 for seed in seeds)


def test_small_synthetic_clips_are_averages_of_finer_ones() -> None:
    small, fine = (ClipShape(2, size, speed=2.0) for size in (32, 64))
    read = SynthClips(seed=0).read
    averages = read([3], fine, "cpu").float().view(1, 2, 32, 2, 32, 2, 3).mean(dim=(3, 5))
    torch.testing.assert_close(read([3], small, "cpu").float(), averages, atol=0.51, rtol=0)


def test_calibration_clips_are_the_same_without_a_compiler(monkeypatch: pytest.MonkeyPatch) -> None:
    compiled = calibration_clip(3, 2, 64, "cpu")
    monkeypatch.setattr(native, "_library", lambda: None)
    assert torch.equal(calibration_clip(3, 2, 64, "cpu"), compiled)
    assert torch.equal(SynthClips(seed=0).read([3], ClipShape(2, 64), "cpu")[0], compiled)


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
