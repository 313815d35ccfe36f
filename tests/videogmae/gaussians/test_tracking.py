from __future__ import annotations

from collections.abc import Callable
from dataclasses import replace

import pytest
import torch
from torch import Tensor

from tests.videogmae.gaussians.scenes import blobs, carpet, uniform
from vgmae_bench.models.windows import WindowTracks
from vgmae_bench.videogmae.gaussians.gaussians import Gaussians, fixed_camera
from vgmae_bench.videogmae.gaussians.motion import read_motion
from vgmae_bench.videogmae.gaussians.switches import PRESETS, PixelConvention, Switches
from vgmae_bench.videogmae.gaussians.tracking import AnchorTracks, Motion, advect, follow_anchors, sample_map, strongest

SIZE, FRAMES = 48, 5
STEP = (1.25, -0.5)
DEFAULT = PRESETS["default"]
NEVER_SEEN = replace(DEFAULT, tau=100.0)
START = torch.tensor([[11.3, 30.9], [20.0, 20.0], [7.7, 24.1]])


def _moving_carpet(switches: Switches = DEFAULT) -> Motion:
    gaussians = blobs(carpet(SIZE), uniform(STEP, FRAMES), size=SIZE)
    return read_motion(gaussians, fixed_camera(SIZE, SIZE, like=START), switches, "torch")


def _moved(start: Tensor, frames: int = FRAMES) -> Tensor:
    return start[:, None] + uniform(STEP, frames)


def _given(weights: Tensor, centres: Tensor, usable: Tensor | None = None) -> Motion:
    """Motion without flow and with the same weights [T, G] at every pixel; centres [T, G, 2]."""
    steps = len(centres) - 1
    return Motion(
        flow=torch.zeros(steps, 8, 8, 2),
        centres=centres,
        usable=torch.ones(steps, centres.shape[1], dtype=torch.bool) if usable is None else usable,
        weights=lambda frame, pixels: weights[frame].expand(len(pixels), -1),
    )


def test_the_flow_alone_follows_uniform_motion() -> None:
    torch.testing.assert_close(advect(_moving_carpet(), START, DEFAULT).xy, _moved(START), rtol=0, atol=1e-3)


@pytest.mark.parametrize("switches", [DEFAULT, NEVER_SEEN], ids=["visible", "occluded"])
def test_offset_anchors_follow_uniform_motion(switches: Switches) -> None:
    tracks = follow_anchors(_moving_carpet(), START, switches)
    torch.testing.assert_close(tracks.xy, _moved(START), rtol=0, atol=1e-3)
    assert tracks.visible.all() == (switches is DEFAULT)


def test_official_anchors_jump_in_the_first_step_only() -> None:
    """A point beside the centroid of its anchors jumps to the centroid, and then keeps its offset of zero."""
    tracks = follow_anchors(_moving_carpet(), START, replace(NEVER_SEEN, anchor_proposal="official"))
    jump = tracks.xy[:, 1] - _moved(START)[:, 1]
    assert (jump.norm(dim=-1) > 0.1).all()
    torch.testing.assert_close(tracks.xy[:, 1:], _moved(START)[:, 1:] + jump[:, None], rtol=0, atol=1e-3)


def test_centroid_anchors_are_their_centroid_in_every_step() -> None:
    motion = _moving_carpet()
    tracks = follow_anchors(motion, START, replace(NEVER_SEEN, anchor_proposal="centroid"))
    centres = motion.centres[1:, tracks.anchors].transpose(0, 1)
    torch.testing.assert_close(tracks.xy[:, 1:], (tracks.shares[..., None] * centres).sum(dim=2))


@pytest.mark.parametrize("follow", [advect, follow_anchors])
def test_points_outside_of_the_frame_are_invisible_but_tracked(
    follow: Callable[..., WindowTracks | AnchorTracks],
) -> None:
    """The point leaves to the right and returns."""
    there_and_back = torch.tensor([[0.0, 0.0], [4.0, 0.0], [8.0, 0.0], [4.0, 0.0], [0.0, 0.0]])
    gaussians = blobs(carpet(SIZE), there_and_back, size=SIZE)
    motion = read_motion(gaussians, fixed_camera(SIZE, SIZE, like=START), DEFAULT, "torch")
    start = torch.tensor([[SIZE - 2.0, 20.0]])
    tracks = follow(motion, start, DEFAULT)
    torch.testing.assert_close(tracks.xy[0], start + there_and_back, rtol=0, atol=1e-3)
    assert tracks.visible.tolist() == [[True, False, False, False, True]]


def _covered() -> tuple[Gaussians, Tensor]:
    """A static carpet, an opaque blob that covers a point in frame 2 of 5, and this point."""
    still, point = carpet(SIZE), torch.tensor([[20.0, 24.0]])
    over = torch.tensor([[-60.0, 0.0], [-30.0, 0.0], [0.0, 0.0], [30.0, 0.0], [60.0, 0.0]])
    steps = torch.cat([over[:, None], torch.zeros(5, len(still), 2)], dim=1)
    gaussians = blobs(torch.cat([point, still]), steps, size=SIZE)
    gaussians.means[:, :, 0] *= 0.5  # halfway to the camera and half as far out and large: in front, and of equal size
    gaussians.means[:, :, 0, 2] = -4
    gaussians.opacities[:, 0] = 0.999
    return gaussians, point


@pytest.mark.parametrize(
    ("time", "visible"), [("current", [True, True, False, True, True]), ("lagged", [True, True, True, False, True])]
)
def test_an_occluder_hides_a_point_and_does_not_move_it(time: str, visible: list[bool]) -> None:
    gaussians, point = _covered()
    switches = Switches(visibility_time="current" if time == "current" else "lagged")
    motion = read_motion(gaussians, fixed_camera(SIZE, SIZE, like=point), switches, "torch")
    tracks = follow_anchors(motion, point, switches)
    assert tracks.visible.tolist() == [visible]
    assert 0 not in tracks.anchors
    torch.testing.assert_close(tracks.xy[0, 3:], point.expand(2, 2), rtol=0, atol=1.0)
    swept_away = advect(motion, point, switches).xy[0, 3]
    assert (swept_away - point).norm() > 10


@pytest.mark.parametrize(("mode", "share"), [("constant", 0.3), ("confidence", 0.3 * (1 - 0.75))])
def test_share_of_the_anchors_for_a_visible_point(mode: str, share: float) -> None:
    """The flow is zero, and the only anchor moves by one pixel."""
    centres = torch.tensor([[[2.0, 2.0]], [[3.0, 2.0]]])
    switches = Switches(beta_mode="constant" if mode == "constant" else "confidence")
    tracks = follow_anchors(_given(torch.full((2, 1), 0.75), centres), torch.tensor([[4.0, 4.0]]), switches)
    torch.testing.assert_close(tracks.xy[0, 1], torch.tensor([4.0 + share, 4.0]))


@pytest.mark.parametrize("proposal", ["offset", "centroid"])
def test_anchors_without_a_projection_do_not_count(proposal: str) -> None:
    switches = replace(NEVER_SEEN, anchor_proposal="offset" if proposal == "offset" else "centroid")
    start = torch.tensor([[4.0, 4.0]])
    centres = torch.tensor([[[4.0, 4.0], [4.0, 4.0]], [[5.0, 4.0], [1e6, 4.0]]])
    weights = torch.full((2, 2), 0.2)
    one = follow_anchors(_given(weights, centres, torch.tensor([[True, False]])), start, switches)
    torch.testing.assert_close(one.xy[0, 1], torch.tensor([5.0, 4.0]))
    none = follow_anchors(_given(weights, centres, torch.tensor([[False, False]])), start, switches)
    assert torch.equal(none.xy[0, 1], start[0])


def test_the_strongest_come_first_and_ties_go_to_the_lowest_index() -> None:
    weights = torch.tensor([[0.1, 0.4, 0.1, 0.4, 0.0], [0.0, 0.0, 0.0, 0.0, 0.2]])
    assert strongest(weights, 3).tolist() == [[1, 3, 0], [4, 0, 1]]
    assert strongest(weights, 9).shape == (2, 5)


@pytest.mark.parametrize(("convention", "value"), [("raster", 2.0), ("index", 2.5)])
def test_where_maps_are_read(convention: PixelConvention, value: float) -> None:
    """A ramp whose pixels contain their index, sampled at the centre of pixel 2."""
    ramp = torch.arange(6.0).expand(4, 6)[..., None]
    assert sample_map(ramp, torch.tensor([[2.5, 1.0]]), convention).item() == value


def test_maps_end_at_their_border_pixels() -> None:
    ramp = torch.arange(6.0).expand(4, 6)[..., None]
    assert sample_map(ramp, torch.tensor([[-9.0, -9.0], [99.0, 99.0]]), "raster").flatten().tolist() == [0.0, 5.0]


def test_no_points() -> None:
    none = torch.zeros(0, 2)
    for tracks in (advect(_moving_carpet(), none, DEFAULT), follow_anchors(_moving_carpet(), none, DEFAULT)):
        assert tracks.xy.shape == (0, FRAMES, 2)
        assert tracks.visible.shape == (0, FRAMES)
