"""Teachers on known motion."""

from __future__ import annotations

import pytest
import torch
import torch.nn.functional as F
from torch import Tensor
from vgmae_baselines.trackmae.teachers.flow_teacher import FlowTeacher, carry_lost
from vgmae_baselines.trackmae.teachers.ground_truth import GroundTruth
from vgmae_baselines.trackmae.teachers.registry import open_teacher
from vgmae_baselines.trackmae.teachers.teacher import grid_points
from vgmae_baselines.trackmae.teachers.track_cache import CachedTeacher

from vgmae_bench.errors import UnknownNameError, UsageError
from vgmae_bench.training.clips.sources import open_clips
from vgmae_bench.training.recipe import Batch, ClipShape

SHAPE = ClipShape(frames=6, image_size=64, speed=2.0)


def synth(numbers: range, shape: ClipShape = SHAPE, seed: int = 3) -> Batch:
    return open_clips(["synth"], seed=seed, workers=0).batch(numbers, shape, "cpu")


def panning(step: tuple[int, int], frames: int = 5, size: int = 96) -> Tensor:
    """uint8 [1, T, size, size, 3]: a smooth texture that moves by whole pixels (x, y) per frame."""
    noise = torch.rand(1, 3, 24, 24, generator=torch.Generator().manual_seed(0))
    texture = F.interpolate(noise, (192, 192), mode="bicubic").clamp(0, 1)[0].permute(1, 2, 0)
    views = [texture[40 - step[1] * t :, 40 - step[0] * t :][:size, :size] for t in range(frames)]
    return (torch.stack(views)[None] * 255).to(torch.uint8)


def test_grid_points_are_centres_of_patches() -> None:
    points = grid_points(224, 448, 14)
    assert points.shape == (196, 2)
    assert points[0].tolist() == [16, 8]
    assert points[1].tolist() == [48, 8]
    assert points[14].tolist() == [16, 24]
    assert (grid_points(224, 224, 14)[:3, 0] - 0.5).tolist() == [7.5, 23.5, 39.5]
    assert (grid_points(224, 224, 28)[:3, 0] - 0.5).tolist() == [3.5, 11.5, 19.5]


def test_ground_truth_tracks_follow_the_image_content() -> None:
    """Around the visible points of exact tracks, the image stays the same."""
    batch = synth(range(4))
    found = GroundTruth(3, 2.0).tracks(batch.video, batch.numbers, 8)
    assert found.xy.shape == (4, 64, 6, 2) and found.xy.dtype == torch.float32
    assert found.visible.shape == (4, 64, 6) and found.visible.dtype == torch.bool
    torch.testing.assert_close(found.xy[:, :, 0], grid_points(64, 64, 8).expand(4, -1, -1), atol=1e-4, rtol=0)
    assert found.visible[:, :, 0].all()
    assert 0.5 < found.visible.float().mean() < 1
    assert (found.xy[:, :, -1] - found.xy[:, :, 0]).norm(dim=-1).median() > 1

    def colours(xy: Tensor) -> Tensor:
        images = batch.video.permute(0, 1, 4, 2, 3).flatten(0, 1).float()
        at = xy.transpose(1, 2).flatten(0, 1)[:, None] / 32 - 1
        read = F.grid_sample(images, at, align_corners=False, padding_mode="border")[:, :, 0]
        return read.view(4, 6, 3, 64).permute(0, 3, 1, 2)

    last, first = colours(found.xy)[:, :, -1], colours(found.xy)[:, :, 0]
    stayed = colours(found.xy[:, :, :1].expand(-1, -1, 6, -1))[:, :, -1]
    seen = found.visible[:, :, -1]
    assert (last - first).abs()[seen].median() < 0.5 * (stayed - first).abs()[seen].median()


def test_the_ground_truth_teacher_finds_clips_in_any_batch_and_examples() -> None:
    whole, part = synth(range(4)), synth(range(2, 3))
    teacher = GroundTruth(3, 2.0)
    one, all_ = teacher.tracks(part.video, part.numbers, 4), teacher.tracks(whole.video, whole.numbers, 4)
    torch.testing.assert_close(one.xy, all_.xy[2:3])
    examples = open_clips(["synth"], seed=3, workers=0).examples(2, SHAPE, "cpu")
    assert teacher.tracks(examples.video, examples.numbers, 4).visible[:, :, 0].all()


def test_the_ground_truth_teacher_refuses_unknown_clips() -> None:
    batch = synth(range(2))
    for teacher in (GroundTruth(4, 0.7), GroundTruth(3, 1.0)):
        with pytest.raises(UsageError, match="do not show the scenes"):
            teacher.tracks(batch.video, batch.numbers, 4)
    with pytest.raises(UsageError, match="2 clips came with 0 numbers"):
        GroundTruth(3, 2.0).tracks(batch.video, (), 4)


def test_flow_follows_a_pan() -> None:
    """The accuracy is lower than at 224 pixels, because frames have 96 pixels here."""
    found = FlowTeacher().tracks(panning((3, -2)), (0,), 12)
    assert found.xy.shape == (1, 144, 5, 2) and found.visible.shape == (1, 144, 5)
    true = grid_points(96, 96, 12)[:, None] + torch.arange(5.0)[:, None] * torch.tensor([3.0, -2.0])
    inside = ((true > 8) & (true < 88)).all(dim=-1)
    error = (found.xy[0] - true).norm(dim=-1)
    assert error[inside].median() < 0.05
    assert found.visible[0][inside].float().mean() > 0.98
    gone = ~((true > -1) & (true < 97)).all(dim=-1)
    assert gone.any() and not found.visible[0][gone].any()


def test_flow_does_not_mix_up_clips() -> None:
    clips = torch.cat([panning((3, -2)), panning((-1, 1)), panning((0, 0))])
    together = FlowTeacher().tracks(clips, (0, 0, 0), 6)
    for number, clip in enumerate(clips):
        alone = FlowTeacher().tracks(clip[None], (0,), 6)
        assert torch.equal(alone.xy[0], together.xy[number])
        assert torch.equal(alone.visible[0], together.visible[number])


def test_lost_points_move_with_their_neighbours() -> None:
    xy = torch.zeros(1, 9, 4, 2)
    xy[..., 0] = torch.arange(4.0)
    visible = torch.ones(1, 9, 4, dtype=torch.bool)
    xy[0, 4, 2:] = 50.0
    visible[0, 4, 2:] = False  # lost for good: its own steps are nonsense
    xy[0, 0, 2], visible[0, 0, 2] = -7.0, False  # comes back by itself
    carried = carry_lost(xy, visible)
    assert carried[0, 4, :, 0].tolist() == [0, 1, 2, 3] and carried[0, 4, :, 1].tolist() == [0, 0, 0, 0]
    untouched = torch.arange(9) != 4
    assert torch.equal(carried[:, untouched], xy[:, untouched])


def test_points_lost_among_lost_points_keep_their_steps() -> None:
    xy = torch.randn(2, 16, 5, 2, generator=torch.Generator().manual_seed(0))
    visible = torch.zeros(2, 16, 5, dtype=torch.bool)
    torch.testing.assert_close(carry_lost(xy, visible), xy)


def test_teachers_are_opened_by_name() -> None:
    assert isinstance(open_teacher("lucas-kanade", cache=False), FlowTeacher)
    assert isinstance(open_teacher("ground-truth", seed=1, speed=2.0), GroundTruth)
    cached = open_teacher("lucas-kanade")
    assert isinstance(cached, CachedTeacher)
    assert cached.describe() == FlowTeacher().describe() != GroundTruth(1, 1.0).describe()
    with pytest.raises(UnknownNameError, match="Did you mean lucas-kanade"):
        open_teacher("lucas-canade")
