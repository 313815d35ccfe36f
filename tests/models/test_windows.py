from __future__ import annotations

from collections.abc import Callable

import numpy as np
import pytest
import torch
from torch import Tensor

from tests.videogmae.gaussians.scenes import blobs, carpet, uniform
from vgmae_bench.models.windows import TrackWindow, WindowTracks, on_tiles, sweep
from vgmae_bench.types import Queries, Tracks
from vgmae_bench.videogmae.gaussians.gaussians import fixed_camera
from vgmae_bench.videogmae.gaussians.motion import read_motion
from vgmae_bench.videogmae.gaussians.switches import PRESETS
from vgmae_bench.videogmae.gaussians.tracking import follow_anchors

LENGTH = 4


def _drift(starts: list[int]) -> TrackWindow:
    """Moves one pixel to the right per frame, hidden in frames divisible by 3. Records its windows."""

    def track_window(start: int, xy: Tensor) -> WindowTracks:
        starts.append(start)
        times = torch.arange(LENGTH)
        moved = xy[:, None] + torch.stack([times, 0 * times], dim=-1)
        return WindowTracks(moved, ((start + times) % 3 != 0).expand(len(xy), -1))

    return track_window


def _queries(*frames: int) -> Queries:
    return Queries(np.array(frames, dtype=np.int64), np.array([[10.0 * f, 5.0] for f in frames]).reshape(-1, 2))


def _swept(frames: int, queries: Queries) -> tuple[Tracks, list[int]]:
    starts: list[int] = []
    return sweep(frames, LENGTH, queries, _drift(starts)), starts


def test_windows_are_chained_from_each_querys_frame() -> None:
    tracks, starts = _swept(12, _queries(0, 2))
    assert starts == [0, 2, 3, 5, 6, 8, 9]
    elapsed = np.arange(12) - np.array([[0], [2]])
    np.testing.assert_array_equal(tracks.xy[..., 0], np.array([[0], [20]]) + np.maximum(elapsed, 0))
    np.testing.assert_array_equal(tracks.xy[..., 1], 5)


def test_the_first_window_with_a_frame_gives_its_visibility() -> None:
    tracks, _ = _swept(12, _queries(2))
    expected = [frame > 2 and frame % 3 != 0 for frame in range(12)]
    expected[2] = True  # where it was queried
    assert tracks.visible[0].tolist() == expected


def test_queries_of_one_frame_share_their_windows() -> None:
    tracks, starts = _swept(10, _queries(0, 3, 6, 3, 0))
    assert starts == [0, 3, 6]
    assert (tracks.xy[:, -1, 0] == [9, 36, 63, 36, 9]).all()


def test_each_window_is_visited_once_in_ascending_order() -> None:
    _, starts = _swept(30, _queries(*range(30)))
    assert starts == list(range(29))


@pytest.mark.parametrize(("frames", "query", "starts"), [(3, 0, [0]), (3, 1, [1]), (1, 0, []), (9, 8, [])])
def test_short_clips_and_last_frames(frames: int, query: int, starts: list[int]) -> None:
    tracks, visited = _swept(frames, _queries(query))
    assert visited == starts
    assert tracks.xy.shape == (1, frames, 2)
    assert tracks.xy[0, -1, 0] == 10 * query + frames - 1 - query
    assert tracks.visible[0, query]


def test_windows_may_be_shorter_than_asked_for() -> None:
    """For example, if windows have fixed starts and a query is in the middle of one."""
    starts: list[int] = []
    whole = _drift(starts)

    def track_window(start: int, xy: Tensor) -> tuple[Tensor, Tensor]:
        moved, visible = whole(start, xy)
        left = LENGTH - start % (LENGTH - 1)
        return moved[:, :left], visible[:, :left]

    tracks = sweep(12, LENGTH, _queries(0, 2, 4), track_window)
    assert starts == [0, 2, 3, 4, 6, 9]
    elapsed = np.arange(12) - np.array([[0], [2], [4]])
    np.testing.assert_array_equal(tracks.xy[..., 0], np.array([[0], [20], [40]]) + np.maximum(elapsed, 0))


def test_no_queries_cost_nothing() -> None:
    tracks, starts = _swept(9, _queries())
    assert tracks.xy.shape == (0, 9, 2)
    assert starts == []


def test_answers_do_not_depend_on_the_other_queries() -> None:
    together, _ = _swept(15, _queries(0, 4, 7, 11))
    for row, frame in enumerate((0, 4, 7, 11)):
        alone, _ = _swept(15, _queries(frame))
        np.testing.assert_array_equal(alone.xy[0], together.xy[row])
        np.testing.assert_array_equal(alone.visible[0], together.visible[row])


def test_gaussians_in_uniform_motion_are_followed_through_chained_windows() -> None:
    size, step, frames = 48, (0.75, 0.5), 13

    def track_window(start: int, xy: Tensor) -> tuple[Tensor, Tensor]:
        gaussians = blobs(carpet(size), uniform(step, LENGTH, first=start), size=size)
        camera = fixed_camera(size, size, like=gaussians.means)
        motion = read_motion(gaussians, camera, PRESETS["default"], "torch")
        tracks = follow_anchors(motion, xy, PRESETS["default"])
        return tracks.xy, tracks.visible

    queries = Queries(np.array([0, 5, 2]), np.array([[8.0, 9.5], [20.25, 30.0], [15.5, 15.5]]))
    tracks = sweep(frames, LENGTH, queries, track_window)
    elapsed = np.maximum(np.arange(frames) - queries.frame[:, None], 0)
    expected = queries.xy[:, None] + elapsed[..., None] * np.array(step)
    np.testing.assert_allclose(tracks.xy, expected, rtol=0, atol=5e-3)
    np.testing.assert_array_equal(tracks.visible, np.arange(frames) >= queries.frame[:, None])


@pytest.mark.parametrize(
    "wrong",
    [lambda: sweep(4, 1, _queries(0), _drift([])), lambda: _swept(4, _queries(4)), lambda: _swept(4, _queries(-1))],
)
def test_impossible_windows_and_queries(wrong: Callable[[], object]) -> None:
    with pytest.raises(ValueError, match=r"at least 2|frames 0 to 3"):
        wrong()


def test_tiles_cut_a_window_and_put_positions_back() -> None:
    """Each pixel of the video contains its position, so that a tile shows its origin."""
    side, frames = 8, 3
    rows, columns = torch.meshgrid(torch.arange(24.0), torch.arange(16.0), indexing="ij")
    video = torch.stack([columns, rows, 0 * rows])[None, :, None].repeat(1, 1, frames, 1, 1)
    xy = torch.tensor([[0.5, 0.5], [15.5, 23.5], [7.5, 11.5], [3.0, 19.0], [7.6, 11.4], [12.0, 6.0], [-2.0, 30.0]])
    sizes = []

    def track_window(tile: Tensor, inside: Tensor) -> tuple[Tensor, Tensor]:
        sizes.append(tuple(tile.shape))
        assert len(inside) > 0
        corner = tile[0, :2, 0, 0, 0]
        known = corner + inside  # in the whole window
        for here, there in zip(inside, known, strict=True):
            for place, end, of in zip(there, (16, 24), here, strict=True):
                near_border = place < side / 4 or place > end - side / 4
                assert near_border or side / 4 <= of <= side * 3 / 4
        return inside[:, None] + torch.arange(frames)[:, None], known[:, :1].repeat(1, frames) > 7

    tracked, visible = on_tiles(video, xy, side, track_window)
    torch.testing.assert_close(tracked, xy[:, None] + torch.arange(frames)[:, None])
    assert visible[:, 0].tolist() == [False, True, True, False, True, True, False]
    assert set(sizes) == {(1, 3, frames, side, side)}
    assert len(sizes) == 5  # twice two points share a tile


def test_a_window_of_the_models_own_size_is_one_tile() -> None:
    video, xy = torch.zeros(1, 3, 2, 8, 8), torch.tensor([[1.0, 7.0], [20.0, -3.0]])
    seen = []

    def track_window(tile: Tensor, inside: Tensor) -> tuple[Tensor, Tensor]:
        seen.append(tile is video and inside is xy)
        return inside[:, None], inside[:, :1] > 2

    assert on_tiles(video, xy, 8, track_window).visible[:, 0].tolist() == [False, True]
    assert seen == [True]
