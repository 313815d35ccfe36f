"""gaussian-fit on known motion."""

from __future__ import annotations

from typing import Any

import numpy as np
import numpy.typing as npt
import pytest
import torch
from vgmae_baselines.gaussian_fit import SPEC
from vgmae_baselines.gaussian_fit import tracker as module
from vgmae_baselines.gaussian_fit.tracker import MARGIN, GaussianFit, GaussianFitConfig, even_length, grid

from tests.videogmae.textures import Affine, colour, pixels
from vgmae_bench.config import build, call_with
from vgmae_bench.errors import UsageError
from vgmae_bench.plugins import Plugin, load
from vgmae_bench.splatting import project
from vgmae_bench.types import Queries, Tracks
from vgmae_bench.videogmae.gaussians.gaussians import fixed_camera, render_video

HEIGHT, WIDTH = 48, 64
SMALL: dict[str, Any] = {"steps": 50, "resolution": 32, "grid": 16, "window": 4, "flow_resolution": 32}
STIFF = {"stiffness": (5e4, 5e3)}
"""As stiff for the 256 Gaussians here as the default is for 1024."""

Frames = npt.NDArray[np.uint8]


def _tracker(**settings: Any) -> GaussianFit:
    return GaussianFit(GaussianFitConfig(**{**SMALL, **STIFF, **settings}), "cpu")


def _frames(video: torch.Tensor) -> Frames:
    frames: Frames = (255 * video).round().byte().numpy()
    return frames


def _pan(frames: int, step: tuple[float, float] = (1.3, -0.8)) -> tuple[Frames, Affine]:
    motion = Affine(step)
    return _frames(motion.video(frames, HEIGHT, WIDTH)), motion


def _track(frames: Frames, at: list[tuple[int, float, float]], **settings: Any) -> Tracks:
    """Track queries `at`, (frame, x, y) each."""
    queries = Queries(np.array([t for t, _, _ in at], dtype=np.int64), np.array([xy for _, *xy in at]).reshape(-1, 2))
    tracks: Tracks = _tracker(**settings).track(frames, queries)
    return tracks


def _count_fits(monkeypatch: pytest.MonkeyPatch) -> list[int]:
    """A list that receives the number of frames of each fitted window."""
    lengths: list[int] = []
    fit = module.fit

    def counting(gaussians: Any, video: torch.Tensor, *args: Any, **options: Any) -> Any:
        lengths.append(len(video))
        return fit(gaussians, video, *args, **options)

    monkeypatch.setattr(module, "fit", counting)
    return lengths


def test_the_spec_builds_it_with_settings_from_text() -> None:
    factory = load(Plugin(SPEC.name, SPEC, "", "vgmae-bench", "0", ""), "tracker")
    settings = {"grid": "8", "stiffness": [100, 1], "outlier": [1, 0.5], "variant": "flow"}
    built = call_with(factory, settings, owner=SPEC.name, weights=None, device="cpu", seed=0)
    assert isinstance(built.product, GaussianFit)
    assert built.settings["stiffness"] == [100.0, 1.0]


@pytest.mark.parametrize(
    "wrong",
    [
        {"steps": 0},
        {"grid": 3},
        {"grid": 65},
        {"window": 1},
        {"flow_resolution": 7},
        {"points_per_batch": 0},
        {"variant": "both"},
        {"tau": 1.5},
        {"stiffness": [1.0]},
        {"lr": 0},
        {"steps": "many"},
    ],
)
def test_wrong_settings_are_refused(wrong: dict[str, Any]) -> None:
    with pytest.raises(UsageError):
        build(GaussianFitConfig, wrong, owner=SPEC.name)


def test_the_initial_grid_renders_like_its_frame() -> None:
    frame = colour(pixels(64, 64))
    gaussians = grid(torch.stack([frame, 0 * frame]), 16)
    count = (16 + 2 * MARGIN) ** 2
    assert gaussians.means.shape == gaussians.colors.shape == (1, 2, count, 3)
    camera = fixed_camera(64, 64, like=frame)
    centres = project(gaussians.means[0, 0], gaussians.quats[0], gaussians.scales[0], *camera).means2d
    assert ((centres > 0) & (centres < 64)).all(dim=1).sum() == 16**2
    assert float(centres.min()) == pytest.approx(-6)
    assert float(centres.max()) == pytest.approx(70)
    seen = render_video(gaussians, camera, "over", "native")[0]
    assert (seen[0] - frame)[8:-8, 8:-8].abs().mean() < 0.12
    assert torch.equal(seen[0], seen[1])


@pytest.mark.parametrize(
    ("frames", "longest", "length"),
    [(1, 6, 2), (2, 6, 2), (6, 6, 6), (7, 6, 4), (11, 6, 6), (12, 6, 5), (24, 6, 6), (5, 2, 2)],
)
def test_windows_share_a_frame_and_are_about_as_long(frames: int, longest: int, length: int) -> None:
    assert even_length(frames, longest) == length


def test_a_pan_is_followed_from_every_frame(monkeypatch: pytest.MonkeyPatch) -> None:
    """Frames are not square, windows share a frame, and queries are in first frames and in others."""
    lengths = _count_fits(monkeypatch)
    frames, motion = _pan(9)
    at = [(0, 24.0, 28.0), (0, 40.0, 20.0), (1, 30.0, 24.0), (3, 22.0, 30.0), (5, 24.0, 26.0), (8, 9.0, 9.0)]
    tracks = _track(frames, at)
    assert lengths == [4, 4, 3]
    for row, (frame, x, y) in enumerate(at):
        expected = motion.positions(torch.tensor([[x, y]]), 9 - frame)[0].numpy()
        assert np.linalg.norm(tracks.xy[row, frame:] - expected, axis=1).max() < 0.7
        assert tracks.visible[row].tolist() == [t >= frame for t in range(9)]
        np.testing.assert_allclose(tracks.xy[row, : frame + 1], np.tile([x, y], (frame + 1, 1)), rtol=1e-5)


@pytest.mark.parametrize("variant", ["anchors", "flow"])
def test_a_zoom_is_followed(variant: str) -> None:
    motion = Affine((0.5, 0.0), ((0.02, 0.01), (0.0, 0.03)), (32.0, 24.0))
    frames = _frames(motion.video(7, HEIGHT, WIDTH))
    start = torch.tensor([[20.0, 14.0], [42.0, 30.0], [32.0, 24.0]])
    tracks = _track(frames, [(0, x, y) for x, y in start.tolist()], variant=variant)
    moved = np.linalg.norm(tracks.xy[:, -1] - start.numpy(), axis=1)
    errors = np.linalg.norm(tracks.xy - motion.positions(start, 7).numpy(), axis=2)
    assert moved.min() > 2
    assert errors.max() < 0.7


def test_points_that_leave_are_hidden_by_either_variant() -> None:
    frames, _ = _pan(7, (2.5, 0.0))
    for variant in ("anchors", "flow"):
        leaves, stays = _track(frames, [(0, 58.0, 24.0), (0, 20.0, 24.0)], variant=variant).visible
        assert leaves[0]
        assert not leaves[5:].any()
        assert stays.all()


def test_tau_is_the_threshold_of_visibility() -> None:
    frames, _ = _pan(4)
    queries = [(0, 24.0, 28.0), (1, 30.0, 24.0)]
    assert _track(frames, queries, tau=0.0, steps=5).visible[:, 1:].all()
    never = _track(frames, queries, tau=1.0, steps=5).visible
    assert never.sum() == 2  # where they were queried


def test_answers_do_not_depend_on_the_other_queries() -> None:
    frames, _ = _pan(8)
    at = [(0, 24.0, 28.0), (2, 30.0, 24.0), (4, 22.0, 30.0), (0, 40.0, 20.0)]
    together = _track(frames, at, steps=5)
    for row, query in enumerate(at):
        alone = _track(frames, [query], steps=5, points_per_batch=1)
        np.testing.assert_allclose(alone.xy[0], together.xy[row], atol=1e-4)
        np.testing.assert_array_equal(alone.visible[0], together.visible[row])


def test_repeated_calls_give_equal_results() -> None:
    frames, _ = _pan(5)
    at = [(0, 24.0, 28.0), (2, 30.0, 24.0)]
    np.testing.assert_array_equal(_track(frames, at, steps=5).xy, _track(frames, at, steps=5).xy)


def test_answers_do_not_depend_on_the_number_of_threads() -> None:
    frames, _ = _pan(4)
    before, answers = torch.get_num_threads(), []
    try:
        for threads in (1, 3):
            torch.set_num_threads(threads)
            answers.append(_track(frames, [(0, 30, 40), (1, 60, 25)]).xy)
            assert torch.get_num_threads() == threads
    finally:
        torch.set_num_threads(before)
    assert np.array_equal(*answers)


@pytest.mark.parametrize(("frames", "query"), [(1, 0), (9, 8)])
def test_a_query_in_the_last_frame_costs_nothing(frames: int, query: int, monkeypatch: pytest.MonkeyPatch) -> None:
    lengths = _count_fits(monkeypatch)
    tracks = _track(_pan(frames)[0], [(query, 20.0, 30.0)])
    assert lengths == []
    np.testing.assert_allclose(tracks.xy[0], np.tile([20.0, 30.0], (frames, 1)), rtol=1e-6)
    assert tracks.visible[0].tolist() == [t == query for t in range(frames)]


def test_only_windows_after_a_query_are_fitted(monkeypatch: pytest.MonkeyPatch) -> None:
    lengths = _count_fits(monkeypatch)
    _track(_pan(10)[0], [(7, 20.0, 30.0)], steps=1)
    assert lengths == [4]


def test_two_frames() -> None:
    frames, motion = _pan(2)
    tracks = _track(frames, [(0, 30.0, 24.0), (1, 30.0, 24.0)])
    expected = motion.positions(torch.tensor([[30.0, 24.0]]), 2)[0].numpy()
    assert np.linalg.norm(tracks.xy[0] - expected, axis=1).max() < 0.5
    np.testing.assert_array_equal(tracks.visible, [[True, True], [False, True]])


def test_no_queries() -> None:
    assert _track(_pan(5)[0], []).xy.shape == (0, 5, 2)


@pytest.mark.parametrize("shade", [0, 255])
def test_nothing_moves_in_uniform_frames(shade: int) -> None:
    tracks = _track(np.full((5, HEIGHT, WIDTH, 3), shade, dtype=np.uint8), [(0, 20.0, 30.0), (0, 63.0, 1.0)])
    assert np.abs(tracks.xy - tracks.xy[:, :1]).max() < 0.5
    assert tracks.visible.all()


@pytest.mark.parametrize("size", [(7, 90), (1, 1)])
def test_odd_sizes(size: tuple[int, int]) -> None:
    frames = np.random.default_rng(0).integers(0, 256, (3, *size, 3), dtype=np.uint8)
    assert np.isfinite(_track(frames, [(0, 0.5, 0.5)], steps=5).xy).all()


@pytest.mark.gpu
def test_tracks_on_cuda_are_about_those_on_the_cpu() -> None:
    frames, _ = _pan(6)
    queries = Queries(np.zeros(2, dtype=int), np.array([[24.0, 28.0], [40.0, 20.0]]))
    found = GaussianFit(GaussianFitConfig(**SMALL, **STIFF), "cuda").track(frames, queries)
    np.testing.assert_allclose(found.xy, _tracker().track(frames, queries).xy, atol=0.5)
