"""The computation of Kubric's tracks, compared with the exact tracks of synth scenes."""

from __future__ import annotations

import dataclasses
from functools import cache

import numpy as np
import pytest
from scipy.ndimage import maximum_filter, minimum_filter

from tests.data.kubric.renders import Render, render
from vgmae_bench.data.kubric.scene import KubricScene
from vgmae_bench.data.kubric.tracks import KubricTracks, _Draws, derive_tracks

rendered = cache(render)


def scene(made: Render) -> KubricScene:
    camera, instances = made.metadata["camera"], made.metadata["instances"]
    assert isinstance(camera, dict) and isinstance(instances, list)
    return KubricScene(
        frames=made.layers["rgba"][..., :3],
        segments=made.layers["segmentation"],
        depth=made.layers["depth"],
        normals=made.layers["normal"],
        coordinates=made.layers["object_coordinates"],
        boxes=np.array([one["bboxes_3d"] for one in instances]),
        quaternions=np.array([one["quaternions"] for one in instances]),
        focal=camera["focal_length"] / camera["sensor_width"],
        camera_position=np.array(camera["positions"]),
        camera_quaternion=np.array(camera["quaternions"]),
    )


def queries(tracks: KubricTracks) -> np.ndarray:
    """The positions of tracks in their query frames, [N, 2]."""
    return tracks.xy[np.arange(len(tracks.frame)), tracks.frame]


def test_tracks_agree_with_exact_ones() -> None:
    made = rendered(128, 6, index=2)
    tracks = derive_tracks(scene(made), "clip")
    # Points are drawn at the centres of pixels, of which derived ones are a rounding error away.
    asked = np.floor(queries(tracks)) + 0.5
    assert np.abs(queries(tracks) - asked).max() < 0.01
    xy, occluded = made.exact(tracks.frame, asked)
    assert len(tracks.frame) > 100 and 0.03 < occluded.mean() < 0.5
    assert np.linalg.norm(xy - tracks.xy, axis=-1).max() < 0.05  # half a pixel would do
    same = occluded == tracks.occluded
    assert same.mean() >= 0.99
    # The derivation looks at four pixels: what it hides is hidden, and away from outlines it is always right.
    assert not (tracks.occluded & ~occluded).any()
    segments = made.layers["segmentation"]
    plain = np.stack([maximum_filter(image, 3) == minimum_filter(image, 3) for image in segments])
    column, row = np.moveaxis(np.floor(xy).astype(int).clip(0, made.size - 1), -1, 0)
    clear = plain[np.arange(len(segments)), row, column] & ((xy > 1) & (xy < made.size - 1)).all(axis=-1)
    assert clear.mean() > 0.8 and same[clear].all()


def test_nearer_surfaces_and_other_segments_occlude() -> None:
    whole = scene(rendered(64, 8))
    tracks = derive_tracks(whole, "clip")
    frame = next(number for number in range(8) if number not in tracks.frame)  # the random points do not depend on it
    seen = ~tracks.occluded[:, frame]

    def hidden(**changed: np.ndarray) -> np.ndarray:
        """Occlusion in a frame after a change of one layer, bool [N]."""
        layers = {name: getattr(whole, name).copy() for name in changed}
        for name, values in changed.items():
            layers[name][frame] = values
        other = derive_tracks(dataclasses.replace(whole, **layers), "clip")
        np.testing.assert_array_equal(other.xy, tracks.xy)
        return other.occluded[:, frame]

    depth = whole.depth[frame]
    column, row = np.floor(queries(tracks)).astype(int).T
    segment = whole.segments[tracks.frame, row, column]
    assert hidden(depth=0.8 * depth)[segment == 0].all()
    alone = hidden(segments=np.full_like(whole.segments[frame], 4), depth=np.full_like(depth, 1e6))
    assert alone[segment != 4].all() and not alone[seen & (segment == 4)].any()
    # A point is visible if one of four pixels shows it.
    holes = np.where(np.indices(depth.shape).sum(axis=0) % 2, depth, 0)
    holes_seen = ~hidden(depth=holes)
    assert holes_seen[seen].mean() > 0.9


def test_faces_that_turn_away_hide_their_points() -> None:
    """Depth alone cannot hide the far side of a thin box: its distance is within the tolerance. Normals hide it."""
    made = rendered(64, 6, index=1, speed=6.0)
    whole = scene(made)
    flat = dataclasses.replace(whole, depth=np.full_like(whole.depth, 1e6))  # depth hides nothing
    alone = dataclasses.replace(
        flat, normals=np.random.default_rng(0).integers(0, 65536, whole.normals.shape, np.uint16)
    )
    kept, lost = derive_tracks(flat, "clip"), derive_tracks(alone, "clip")
    np.testing.assert_array_equal(kept.frame, lost.frame)
    assert (kept.occluded & ~lost.occluded).sum() > 0
    assert not (lost.occluded & ~kept.occluded).any()  # inaccurate normals are ignored


def test_seed_and_clip_name_determine_the_points() -> None:
    whole = scene(rendered(64, 8))
    first, again = derive_tracks(whole, "clip", seed=3), derive_tracks(whole, "clip", seed=3)
    for name in ("frame", "xy", "occluded"):
        np.testing.assert_array_equal(getattr(first, name), getattr(again, name), strict=True)
    for other in (derive_tracks(whole, "clip", seed=4), derive_tracks(whole, "another", seed=3)):
        assert other.xy.shape != first.xy.shape or not np.array_equal(other.xy, first.xy)


def test_random_numbers_are_the_same_everywhere() -> None:
    assert _Draws(3, "clip").below(1000, 6).tolist() == [396, 734, 532, 528, 227, 61]


@pytest.mark.parametrize("count", [5, 20, 1000])
def test_small_segments_get_as_many_as_large_ones_up_to_a_tenth(count: int) -> None:
    made = rendered(64, 8)
    tracks = derive_tracks(scene(made), "clip", count=count)
    column, row = np.floor(queries(tracks)).astype(int).T
    of_segment = np.bincount(made.layers["segmentation"][tracks.frame, row, column], minlength=5)
    pixels = np.bincount(made.layers["segmentation"].ravel())
    assert len(tracks.frame) == count if count <= 20 else of_segment.sum() < count
    if count <= 20:
        assert of_segment.tolist() == [count // 5] * 5
    else:
        # Every fourth row, column and frame is a candidate, and a tenth of these may be drawn.
        np.testing.assert_allclose(of_segment, 0.1 * pixels / pixels.sum() * 16 * 16 * 2, rtol=0.35)


def test_a_scene_with_nothing_to_draw_has_no_tracks() -> None:
    whole = scene(rendered(64, 8))
    corner = {
        name: getattr(whole, name)[:1, :4, :4] for name in ("frames", "segments", "depth", "normals", "coordinates")
    }
    small = dataclasses.replace(
        whole, **corner, boxes=whole.boxes[:, :1], quaternions=whole.quaternions[:, :1],
        camera_position=whole.camera_position[:1], camera_quaternion=whole.camera_quaternion[:1],
    )  # fmt: skip
    tracks = derive_tracks(small, "clip")
    assert tracks.xy.shape == (0, 1, 2) and tracks.occluded.shape == (0, 1)
