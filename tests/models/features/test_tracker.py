"""Tracking by features, with known motion and known features."""

from __future__ import annotations

from typing import Any

import numpy as np
import numpy.typing as npt
import pytest
import torch
from torch import Tensor

from tests.models.features.encoders import ColourAndPlace, Patches, pan, restore_pixels, texture
from vgmae_bench.errors import UsageError
from vgmae_bench.models.features import CorrespondenceConfig, CorrespondenceTracker, PatchEncoder
from vgmae_bench.training.clips.sources import calibration_clip
from vgmae_bench.types import Queries, Tracks


def track(encoder: PatchEncoder, frames: npt.NDArray[np.uint8], queries: Queries, **settings: Any) -> Tracks:
    config = CorrespondenceConfig(**{"calibration_clips": 0, **settings})
    return CorrespondenceTracker(encoder, config, "cpu", calibration_clip).track(frames, queries)


def grid(frame: int, low: float = 20, high: float = 44, count: int = 7) -> Queries:
    """count x count queries in a frame, most of them between cells."""
    places = np.linspace(low, high, count)
    x, y = np.meshgrid(places, places)
    return Queries(np.full(x.size, frame), np.stack([x.ravel(), y.ravel()], axis=1).astype(np.float32))


def along(queries: Queries, step: tuple[int, int], frames: int) -> npt.NDArray[np.float32]:
    """The positions of queries under a pan, [N, T, 2]."""
    time = np.arange(frames)[None, :, None] - queries.frame[:, None, None]
    return np.asarray(queries.xy[:, None] + time * np.array(step), dtype=np.float32)


@pytest.mark.parametrize("propagation", ["direct", "recurrent", "both"])
@pytest.mark.parametrize("context", ["query", "window"])
def test_pans_by_whole_cells_are_followed_exactly(propagation: str, context: str) -> None:
    queries = grid(4, 24, 40)
    found = track(Patches(), pan((4, -4), 9), queries, propagation=propagation, context=context)
    error = np.linalg.norm(found.xy - along(queries, (4, -4), 9), axis=2)
    assert error.max() < (0.05 if propagation == "direct" else 0.6)
    assert found.visible.all()


def test_only_stitching_resolves_motion_below_a_patch() -> None:
    queries, frames = grid(0), pan((4, 4), 2)
    true = along(queries, (4, 4), 2)
    errors = [
        np.linalg.norm(track(Patches(), frames, queries, stitch=stitch).xy - true, axis=2)[:, 1].mean()
        for stitch in (1, 2)
    ]
    assert errors[1] < 0.05
    assert errors[0] > 1


@pytest.mark.parametrize("encoder", [Patches(), Patches(leak=3.0)])
def test_nothing_moves_in_a_still_clip(encoder: PatchEncoder) -> None:
    queries = grid(2, 3, 61, 9)
    found = track(encoder, pan((0, 0), 7), queries)
    np.testing.assert_allclose(found.xy, along(queries, (0, 0), 7), atol=1e-3)
    assert found.visible.all()


@pytest.mark.parametrize("propagation", ["direct", "recurrent", "both"])
def test_points_of_a_still_clip_stay(propagation: str) -> None:
    """Such weak features cannot be interpolated. So the queries are at centres of cells."""
    queries = grid(2, 6, 58, 14)
    found = track(ColourAndPlace(), pan((0, 0), 7), queries, propagation=propagation, recurrent_topk=1)
    np.testing.assert_allclose(found.xy, along(queries, (0, 0), 7), atol=1e-3)
    assert found.visible.all()


def test_position_is_removed_from_the_features() -> None:
    queries, frames = grid(0, 16, 32), pan((12, 8), 2)
    true = along(queries, (12, 8), 2)[:, 1]
    error = {
        clips: np.linalg.norm(
            track(Patches(leak=4.0), frames, queries, calibration_clips=clips).xy[:, 1] - true, axis=1
        )
        for clips in (0, 16)
    }
    assert np.median(error[0]) > 10  # they stay
    assert np.median(error[16]) < 0.5


def covered(frames: npt.NDArray[np.uint8], when: slice) -> npt.NDArray[np.uint8]:
    frames = frames.copy()
    frames[when, 16:40, 16:40] = texture(7, 24, 24)
    return frames


@pytest.mark.parametrize("propagation", ["direct", "both"])
def test_occluded_points_are_hidden_until_they_reappear(propagation: str) -> None:
    queries = Queries(np.zeros(2, int), np.array([[28, 28], [50, 50]], dtype=np.float32))
    found = track(Patches(), covered(pan((0, 0), 8), slice(2, 5)), queries, propagation=propagation, min_similarity=0.7)
    assert found.visible.tolist() == [[True] * 2 + [False] * 3 + [True] * 3, [True] * 8]
    np.testing.assert_allclose(found.xy[0, 5:], [[28, 28]] * 3, atol=1e-3 if propagation == "direct" else 1)


def test_a_similar_point_fails_the_backward_check() -> None:
    """The point is occluded. A similar point is visible, whose match in the query frame is itself."""
    frames = pan((0, 0), 3)
    noise = np.random.default_rng(1).integers(-20, 21, (16, 16, 3))
    frames[:, 40:56, 40:56] = np.clip(frames[:, 8:24, 8:24] + noise, 0, 255)
    frames[1, 4:28, 4:28] = texture(7, 24, 24)
    queries = Queries(np.zeros(1, int), np.array([[14, 18]], dtype=np.float32))
    trusting = track(Patches(), frames, queries, min_similarity=0.7, max_cycle=1000)
    np.testing.assert_allclose(trusting.xy[0, 1], [46, 50], atol=2)
    assert trusting.visible.all()
    assert track(Patches(), frames, queries, min_similarity=0.7).visible.tolist() == [[True, False, True]]


def test_points_that_leave_are_hidden() -> None:
    queries = Queries(np.zeros(1, int), np.array([[34, 30]], dtype=np.float32))
    found = track(Patches(), pan((16, 0), 4), queries, min_similarity=0.7)
    assert found.visible.tolist() == [[True, True, False, False]]


def test_a_prior_chooses_among_equals() -> None:
    frames = np.full((3, 64, 64, 3), 128, dtype=np.uint8)
    mark = texture(3, 16, 16)
    for t, left in enumerate((8, 16, 24)):
        frames[t, 24:40, left : left + 16] = mark
    frames[1:, 0:16, 0:16] = mark  # comes first in raster order
    queries = Queries(np.zeros(1, int), np.array([[16, 32]], dtype=np.float32))
    assert np.abs(track(Patches(), frames, queries).xy[0, 2] - [32, 32]).max() > 10
    np.testing.assert_allclose(
        track(Patches(), frames, queries, match_prior=0.1).xy[0], [[16, 32], [24, 32], [32, 32]], atol=1
    )


class Recording(Patches):
    """Records the grey levels of its input frames."""

    seen: list[list[int]]

    def patch_features(self, video: Tensor) -> Tensor:
        self.seen.append(restore_pixels(video)[0, 0, :, 32, 32].int().tolist())
        return super().patch_features(video)


@pytest.mark.parametrize(
    ("context", "passes"),
    [
        ("query", [[2, 2, 3, 3, 4, 4, 5, 5], [2, 2, 6, 6, 6, 6, 6, 6], [2, 2, 1, 1, 0, 0, 0, 0]]),
        ("window", [[0, 0, 1, 1, 2, 2, 3, 3], [4, 4, 5, 5, 6, 6, 6, 6]]),
    ],
)
def test_the_encoder_sees_each_frame_as_the_context_setting_says(context: str, passes: list[list[int]]) -> None:
    frames = np.repeat(np.arange(7, dtype=np.uint8), 64 * 64 * 3).reshape(7, 64, 64, 3)
    encoder = Recording()
    encoder.seen = []
    track(encoder, frames, Queries(np.full(3, 2), np.full((3, 2), 30, dtype=np.float32)), context=context, stitch=1)
    assert encoder.seen == passes


def test_frames_of_any_size_and_queries_of_many_frames() -> None:
    frames = pan((8, 0), 5, size=64).repeat(2, axis=2).repeat(3, axis=1)  # 192 x 128
    parts = [grid(0, 20, 28, 2), grid(3, 36, 44, 2)]
    queries = Queries(
        np.concatenate([part.frame for part in parts]), np.concatenate([part.xy for part in parts]) * np.array([2, 3])
    )
    found = track(Patches(), frames, queries)
    true = np.concatenate([along(part, (8, 0), 5) for part in parts]) * np.array([2, 3])
    inside = (true[..., 0] > 8) & (true[..., 0] < 120)
    assert np.linalg.norm(found.xy - true, axis=2)[inside].max() < 1
    alone = track(Patches(), frames, queries[5:6])
    np.testing.assert_allclose(alone.xy[0], found.xy[5], atol=1e-3)


def test_forward_only_gives_equal_tracks_after_the_query() -> None:
    queries, config = grid(2, 24, 40), CorrespondenceConfig(calibration_clips=0)
    both = track(Patches(), pan((4, -4), 5), queries)
    forward = CorrespondenceTracker(Patches(), config, "cpu", calibration_clip, backward=False).track(
        pan((4, -4), 5), queries
    )
    np.testing.assert_array_equal(forward.xy[:, 2:], both.xy[:, 2:])
    np.testing.assert_array_equal(forward.visible[:, 2:], both.visible[:, 2:])
    np.testing.assert_array_equal(forward.xy[:, :2], queries.xy[:, None].repeat(2, axis=1))
    assert not forward.visible[:, :2].any()


def test_no_queries_no_tracks() -> None:
    found = track(Patches(), pan((0, 0), 3), Queries(np.zeros(0, int), np.zeros((0, 2), np.float32)))
    assert found.xy.shape == (0, 3, 2)


def test_unsuitable_encoders_and_settings_are_refused() -> None:
    with pytest.raises(UsageError, match="stitched 3 times"):
        track(Patches(), pan((0, 0), 2), grid(0), stitch=3)
    with pytest.raises(UsageError, match="context=window"):
        CorrespondenceTracker(Patches(num_frames=2), CorrespondenceConfig(), "cpu", calibration_clip)
    CorrespondenceTracker(Patches(num_frames=2), CorrespondenceConfig(context="window"), "cpu", calibration_clip)
    for settings in ({"stitch": 0}, {"match_beta": 0.0}, {"calibration_clips": 0, "whiten": True}, {"max_cycle": -1.0}):
        with pytest.raises(UsageError):
            CorrespondenceConfig(**settings)


def test_an_image_encoder_sees_one_frame_at_a_time() -> None:
    encoder = Patches(num_frames=1, time_stride=1)
    queries = grid(0)
    found = track(encoder, pan((4, 0), 3), queries, context="window")
    assert np.linalg.norm(found.xy - along(queries, (4, 0), 3), axis=2).max() < 0.05


def test_tracking_draws_no_random_numbers() -> None:
    torch.manual_seed(0)
    expected = torch.rand(1)
    torch.manual_seed(0)
    track(Patches(), pan((4, 0), 3), grid(0), calibration_clips=1)
    assert torch.equal(torch.rand(1), expected)
