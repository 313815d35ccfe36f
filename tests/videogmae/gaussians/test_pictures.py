"""Pictures of a training, with Gaussians of known motion."""

from pathlib import Path

import numpy as np
import torch
from PIL import Image

from vgmae_bench.videogmae.gaussians.gaussians import Gaussians, fixed_camera
from vgmae_bench.videogmae.gaussians.motion import read_motion
from vgmae_bench.videogmae.gaussians.pictures import GREY, Panels, film, panels, save_picture
from vgmae_bench.videogmae.gaussians.switches import Switches
from vgmae_bench.viz.draw import LABEL_WIDTH

SIZE, T = 16, 4


def moving(step: float) -> Gaussians:
    """16 broad Gaussians that move to the right by `step` world units per frame."""
    ticks = torch.linspace(-0.6, 0.6, 4)
    y, x = torch.meshgrid(ticks, ticks, indexing="ij")
    start = torch.stack([x.flatten(), y.flatten(), torch.full((16,), 1.5)], dim=-1)
    means = torch.stack([start + torch.tensor([step * t, 0, 0]) for t in range(T)])[None]
    quats = torch.tensor([1.0, 0, 0, 0]).expand(1, 16, 4)
    scales, opacities = torch.full((1, 16, 3), 0.3), torch.full((1, 16), 0.9)
    colors = torch.full((1, T, 16, 3), 0.8)
    return Gaussians(means=means, quats=quats, scales=scales, opacities=opacities, colors=colors)


def look(hidden: torch.Tensor | None, flow: torch.Tensor | None, step: float = 0.02) -> Panels:
    video = torch.randint(0, 256, (1, T, SIZE, SIZE, 3), dtype=torch.uint8)
    (clip,) = panels(video, hidden, moving(0.0), moving(step), flow, "over")
    assert np.array_equal(clip["input"], video[0, :-1])
    return clip


def test_the_predicted_flow_looks_as_the_true_flow_where_they_agree() -> None:
    camera = fixed_camera(SIZE, SIZE, like=torch.zeros(1))
    true = read_motion(moving(0.02), camera, Switches()).flow[None]
    clip = look(None, true)
    assert list(clip) == ["input", "reconstruction", "flow", "true flow"]
    assert np.array_equal(clip["flow"], clip["true flow"]) and clip["flow"].std() > 0
    assert not np.array_equal(look(None, true, step=-0.02)["flow"], clip["true flow"])


def test_hidden_pixels_and_unknown_motion_are_grey() -> None:
    hidden = torch.zeros(1, T, SIZE, SIZE, dtype=torch.bool)
    hidden[0, 1, :4] = True
    flow = torch.zeros(1, T - 1, SIZE, SIZE, 2)
    flow[0, 2] = torch.nan
    clip = look(hidden, flow)
    assert list(clip) == ["input", "shown", "reconstruction", "flow", "true flow"]
    assert (clip["shown"][1, :4] == GREY).all()
    assert np.array_equal(clip["shown"][1, 4:], clip["input"][1, 4:])
    assert (clip["true flow"][2] == GREY).all() and (clip["true flow"][0] == 255).all()


def test_the_drawn_reconstruction_uses_the_visible_patches() -> None:
    still = look(None, None)["reconstruction"]
    assert np.array_equal(still[0], still[-1])  # the whole clip's Gaussians move, those of the shown part do not


def test_a_picture_has_a_labelled_row_for_each_panel_and_a_film_shows_them_side_by_side(tmp_path: Path) -> None:
    clip = look(None, None)
    save_picture([clip, clip], tmp_path / "a.png")
    with Image.open(tmp_path / "a.png") as sheet:
        assert sheet.size == (LABEL_WIDTH + (T - 1) * 128, 2 * len(clip) * 128)
        assert np.asarray(sheet)[:, :LABEL_WIDTH].min() < 100  # something is written there
    frames = film(clip)
    assert len(frames) == T - 1 and frames[0].shape == (128, len(clip) * 128, 3)
