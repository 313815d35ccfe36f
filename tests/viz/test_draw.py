"""Drawn tracks: positions, dots for visible points, rings for hidden points, and trails. Flow as colour. Grids of pictures."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import pytest
from PIL import Image

from vgmae_bench.types import Tracks
from vgmae_bench.viz.draw import (
    SMALLEST,
    beside,
    colour_flow,
    contact_sheet,
    draw_frame,
    draw_tracks,
    rainbow,
    save_mosaic,
)

RED, BLUE = (255, 0, 0), (0, 0, 255)


def crossing(num_frames: int = 20, size: tuple[int, int] = (60, 100)) -> tuple[np.ndarray, Tracks]:
    """A point that moves right by 4 pixels per frame, and a hidden point that does not move."""
    x = 10.0 + 4 * np.arange(num_frames)
    moving = np.stack([x, np.full(num_frames, 20.0)], axis=1)
    still = np.tile([50.0, 45.0], (num_frames, 1))
    visible = np.array([np.ones(num_frames, dtype=bool), np.zeros(num_frames, dtype=bool)])
    return np.zeros((num_frames, *size, 3), dtype=np.uint8), Tracks(np.stack([moving, still]), visible)


def drawn(t: int, trail: int = 5) -> np.ndarray:
    frames, tracks = crossing()
    return draw_frame(frames[t], tracks, t, np.array([RED, BLUE], dtype=np.uint8), trail)


def test_seen_points_are_dots_and_hidden_ones_rings() -> None:
    picture = drawn(10)
    assert picture[19:21, 49:51].reshape(-1, 3).tolist() == [list(RED)] * 4
    assert not picture[44:46, 49:51].any()  # hollow
    assert picture[40:50, 45:55, 2].max() > 150


def test_positions_are_those_of_the_raster() -> None:
    """A dot around (x, y) covers pixels evenly on both sides when pixel centres are at +0.5."""
    tracks = Tracks(np.array([[[20.0, 12.0]], [[40.25, 30.75]]]), np.ones((2, 1), dtype=bool))
    white = np.full((1, 3), 255, dtype=np.uint8)
    for point, xy in enumerate(tracks.xy[:, 0]):
        one = Tracks(tracks.xy[[point]], tracks.visible[[point]])
        mass = draw_frame(np.zeros((50, 60, 3), dtype=np.uint8), one, 0, white)[..., 0].astype(float)
        y, x = np.mgrid[:50, :60] + 0.5
        assert ((mass * x).sum() / mass.sum(), (mass * y).sum() / mass.sum()) == pytest.approx(tuple(xy), abs=0.15)


def test_trails_go_back_as_far_as_asked() -> None:
    red = drawn(15, trail=5)[20, :, 0]
    assert red[70] == 255  # now
    assert (red[52:64] > 100).all()  # five steps of four pixels, then the outline of the dot
    assert not red[:48].any()
    assert not drawn(15, trail=0)[20, :60, 0].any()


def test_no_trail_is_drawn_where_a_point_was_hidden() -> None:
    frames, tracks = crossing()
    visible = tracks.visible.copy()
    visible[0, 12] = False
    picture = draw_frame(frames[15], Tracks(tracks.xy, visible), 15, np.array([RED, BLUE], dtype=np.uint8), 10)
    assert picture[20, 40:52, 0].min() > 100
    assert not picture[18:23, 56:60].any()


def test_input_frames_are_unchanged_and_far_points_are_harmless() -> None:
    frames, tracks = crossing()
    xy = tracks.xy.copy()
    xy[0, 9], xy[0, 10], xy[1, 10] = np.inf, 1e30, np.nan
    draw_frame(frames[10], Tracks(xy, tracks.visible), 10, np.array([RED, BLUE], dtype=np.uint8))
    assert not frames.any()


def test_a_video_is_its_frames_drawn() -> None:
    frames, tracks = crossing()
    video = draw_tracks(frames, tracks)
    colours = rainbow(tracks.xy[:, 0])
    assert video.shape == frames.shape
    assert np.array_equal(video[7], draw_frame(frames[7], tracks, 7, colours))
    assert np.array_equal(draw_tracks(frames, tracks, trail=0)[7], draw_frame(frames[7], tracks, 7, colours, trail=0))


def test_the_rainbow_goes_from_top_to_bottom_and_repeats_no_colour() -> None:
    y, x = np.mgrid[:8, :10].astype(float)
    xy = np.stack([x.ravel(), y.ravel()], axis=1)[::-1]
    colours = rainbow(xy)
    assert colours.dtype == np.uint8
    assert len(np.unique(colours, axis=0)) == 80
    assert colours[-1].tolist() == [255, 0, 0]
    assert colours[0][2] > 200  # violet
    assert rainbow(np.zeros((0, 2))).shape == (0, 3)


def test_a_contact_sheet_shows_first_to_last() -> None:
    frames, tracks = crossing()
    frames += np.arange(20, dtype=np.uint8)[:, None, None, None]
    sheet = contact_sheet(frames, tracks, columns=3, rows=2)
    assert sheet.shape == (120, 300, 3)
    corners = sheet[59::60, 99::100, 0]  # the lower right ones, where nothing is drawn
    assert corners.ravel().tolist() == [0, 4, 8, 11, 15, 19]
    few = contact_sheet(frames[:2] + 1, tracks, columns=2, rows=2)
    assert few[59::60, 99::100, 0].ravel().tolist() == [1, 2, 0, 0]


@pytest.mark.parametrize("colour", [RED, BLUE, (0, 0, 0), (255, 255, 255)])
def test_dots_and_rings_are_visible_on_any_colour(colour: tuple[int, int, int]) -> None:
    _, tracks = crossing()
    ground = np.broadcast_to(np.array(colour, dtype=np.uint8), (60, 100, 3))
    picture = draw_frame(ground, tracks, 10, np.array([colour, colour], dtype=np.uint8), trail=0).astype(int)
    for x, y in ((50, 20), (50, 45)):
        around = picture[y - 7 : y + 7, x - 7 : x + 7]
        assert (np.abs(around - np.array(colour)).max(axis=-1) > 100).sum() >= 20  # a closed outline


def test_frames_are_numbered_where_there_is_room() -> None:
    frames, tracks = crossing()
    nobody = Tracks(tracks.xy[:0], tracks.visible[:0])
    grey = frames + np.uint8(90)
    zero, other = (
        contact_sheet(grey, nobody, columns=2, rows=1),
        contact_sheet(grey, nobody, columns=2, rows=1, numbers=np.arange(20) + 7),
    )
    assert zero[:20, :30].max() == 255  # a white number
    assert (zero[:20, :30] != other[:20, :30]).any()
    assert (zero[25:] == 90).all()
    small = np.full((2, 32, 32, 3), 90, dtype=np.uint8)
    assert (contact_sheet(small, nobody, columns=2, rows=1) == 90).all()


def test_an_image_is_shown_next_to_its_frame_at_equal_size() -> None:
    frame = np.full((60, 100, 3), 90, dtype=np.uint8)
    picture = np.zeros((6, 10, 3), dtype=np.uint8)
    picture[:, 5:] = 200
    pair = beside(frame, picture, 7)
    assert pair.shape == (60, 200, 3)
    assert pair[:20, :30].max() > 200  # the number
    assert (pair[30:, :100] == 90).all()
    assert not pair[:, 100:140].any()
    assert (pair[:, 160:] == 200).all()
    assert (frame == 90).all()


def test_flow_is_white_at_rest_and_red_to_the_right() -> None:
    flow = np.zeros((1, 2, 64, 2))
    flow[0, 1, :, 0] = 2.0
    assert colour_flow(flow)[0, :, 0].tolist() == [[255, 255, 255], [255, 0, 0]]


def test_images_are_at_their_cells_and_small_images_are_enlarged(tmp_path: Path) -> None:
    rows = np.arange(2 * 3, dtype=np.uint8).reshape(2, 3, 1, 1, 1) * np.ones((1, 1, 50, 40, 3), dtype=np.uint8)
    save_mosaic([list(row) for row in rows], tmp_path / "a.png")
    picture = np.asarray(Image.open(tmp_path / "a.png"))
    assert picture.shape == (2 * 150, 3 * 120, 3) and 100 < SMALLEST <= 150
    assert np.array_equal(picture[75::150, 60::120, 0], [[0, 1, 2], [3, 4, 5]])
    assert picture[149, 119].tolist() == [0, 0, 0] and picture[150, 120].tolist() == [4, 4, 4]


def test_large_pictures_stay_as_they_are(tmp_path: Path) -> None:
    frame = np.random.default_rng(0).integers(0, 256, (SMALLEST, 7, 3), dtype=np.uint8)
    save_mosaic([[frame]], tmp_path / "a.png")
    assert np.array_equal(np.asarray(Image.open(tmp_path / "a.png")), frame)
