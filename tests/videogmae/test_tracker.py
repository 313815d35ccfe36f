from __future__ import annotations

from dataclasses import fields, replace
from pathlib import Path
from typing import Any, get_args, get_type_hints

import numpy as np
import numpy.typing as npt
import pytest
import torch

from tests.shared.configured import configured
from vgmae_bench.config import build, call_with
from vgmae_bench.errors import UsageError, WeightsError
from vgmae_bench.models.features import CorrespondenceConfig, CorrespondenceTracker
from vgmae_bench.models.frames import FrameWindows
from vgmae_bench.models.readout import ReadoutConfig, read_tracks
from vgmae_bench.models.weights_file import save_weights
from vgmae_bench.plugins import Plugin, load
from vgmae_bench.training.clips.sources import calibration_clip
from vgmae_bench.types import Queries, Tracks
from vgmae_bench.videogmae import SPEC
from vgmae_bench.videogmae.checkpoint import load_model
from vgmae_bench.videogmae.features import EncoderFeatures
from vgmae_bench.videogmae.gaussians.gaussians import Activation
from vgmae_bench.videogmae.gaussians.switches import PRESETS, Switches
from vgmae_bench.videogmae.network import SIZES, Encoder, NetworkConfig, VideoGMAE
from vgmae_bench.videogmae.readout import ReadoutTracker
from vgmae_bench.videogmae.tracker import GaussiansConfig, VideoGMAEConfig, VideoGMAETracker

NETWORK = NetworkConfig(
    image_size=32,
    patch_size=8,
    num_frames=4,
    num_gaussians=24,
    embed_dim=32,
    depth=1,
    num_heads=2,
    decoder_embed_dim=32,
    decoder_depth=1,
    decoder_num_heads=2,
)
HEIGHT, WIDTH, FRAMES = 40, 60, 9
QUERIES = Queries(np.array([0, 2, 0, 8, 3]), np.array([[10, 10], [55, 5], [30.5, 20.5], [3, 30], [59, 39]]))


@pytest.fixture(autouse=True)
def _smallest_network(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setitem(SIZES, "tiny", NETWORK)


def _clip(frames: int = FRAMES) -> npt.NDArray[np.uint8]:
    return np.random.default_rng(0).integers(0, 256, (frames, HEIGHT, WIDTH, 3), dtype=np.uint8)


def _tracker(weights: Path | None = None, seed: int = 0, **settings: Any) -> VideoGMAETracker:
    return VideoGMAETracker(configured(VideoGMAEConfig, **{"backend": "torch", **settings}), weights, "cpu", seed)


def _saved(path: Path, seed: int = 0, **sections: Any) -> Path:
    """A weights file of a network drawn from `seed`: with a readout if `sections` configure one."""
    torch.manual_seed(seed)
    readout = sections.get("readout")
    model = ReadoutTracker(NETWORK, readout) if readout else VideoGMAE(NETWORK)
    kind = "videogmae-readout" if readout else "videogmae"
    save_weights(path, model.state_dict(), kind, {"network": NETWORK, **sections})
    return path


def _assert_same(one: Tracks, other: Tracks) -> None:
    np.testing.assert_array_equal(one.xy, other.xy)
    np.testing.assert_array_equal(one.visible, other.visible)


def test_the_spec_builds_it_with_settings_from_text() -> None:
    factory = load(Plugin(SPEC.name, SPEC, "", "vgmae-bench", "0", ""), "tracker")
    settings = {"preset": "paper", "flow_alpha": "official", "topk": 4, "backend": "torch"}
    built = call_with(factory, settings, owner="videogmae", weights=None, device="cpu", seed=0)
    assert isinstance(built.product, VideoGMAETracker)
    assert built.settings["flow_alpha"] == "official"


@pytest.mark.parametrize(
    "wrong", [{"preset": "papr"}, {"variant": "both"}, {"size": "huge"}, {"topk": 0}, {"points_per_batch": 0}]
)
def test_wrong_settings_are_refused(wrong: dict[str, Any]) -> None:
    with pytest.raises(UsageError):
        build(VideoGMAEConfig, wrong, owner="videogmae")


def test_every_preset_option_is_a_setting_that_overrides_the_preset() -> None:
    hints, settings = get_type_hints(Switches), get_type_hints(VideoGMAEConfig) | get_type_hints(GaussiansConfig)
    for field in fields(Switches):
        assert settings[field.name] == hints[field.name] | None
    config = configured(VideoGMAEConfig, preset="release", flow_alpha="paper", clip_to_frame=False)
    assert config.switches == replace(PRESETS["release"], flow_alpha="paper", clip_to_frame=False)


def test_the_sizes_are_those_of_the_network() -> None:
    assert set(get_args(get_type_hints(VideoGMAEConfig)["size"])) == set(SIZES)


@pytest.mark.parametrize("variant", ["anchors", "flow"])
@pytest.mark.parametrize("preset", ["default", "paper", "release"])
def test_tracks_of_a_random_network(preset: str, variant: str) -> None:
    tracker = _tracker(preset=preset, variant=variant)
    tracks = tracker.track(_clip(), QUERIES)
    assert tracker.note == "random weights"
    assert tracks.xy.shape == (len(QUERIES), FRAMES, 2)
    assert np.isfinite(tracks.xy).all()
    for row, frame in enumerate(QUERIES.frame):
        np.testing.assert_allclose(tracks.xy[row, : frame + 1], np.tile(QUERIES.xy[row], (frame + 1, 1)), rtol=1e-6)
        assert tracks.visible[row, frame]
        assert not tracks.visible[row, :frame].any()
    _assert_same(tracker.track(_clip(), QUERIES), tracks)
    _assert_same(_tracker(preset=preset, variant=variant).track(_clip(), QUERIES), tracks)


def test_points_move_with_the_projected_gaussians(monkeypatch: pytest.MonkeyPatch) -> None:
    """Every Gaussian moves to the right in every frame: by f · 0.5 tanh(x) / z network pixels, scaled to the clip."""
    x = torch.zeros(1, NETWORK.num_frames, NETWORK.num_gaussians, 14)
    x[..., 3:6], x[..., 13], x[:, 1:, :, 0] = 10.0, 10.0, 0.4
    monkeypatch.setattr(VideoGMAE, "decode", lambda self, encoded: x)
    queries = Queries(np.array([0, 1]), np.array([[20.0, 12.0], [30.0, 20.0]]))
    tracks = _tracker().track(_clip(), queries)
    step = NETWORK.image_size / 2 * 0.5 * np.tanh(0.4) / 8 * WIDTH / NETWORK.image_size
    elapsed = np.maximum(np.arange(FRAMES) - queries.frame[:, None], 0)
    np.testing.assert_allclose(tracks.xy[..., 0], queries.xy[:, :1] + step * elapsed, atol=2e-3)
    np.testing.assert_allclose(tracks.xy[..., 1], np.broadcast_to(queries.xy[:, 1:], (2, FRAMES)), atol=2e-3)


def test_weights_depend_on_the_seed_alone() -> None:
    before = torch.get_rng_state()
    first = _tracker(seed=1).track(_clip(), QUERIES)
    assert torch.equal(torch.get_rng_state(), before)
    torch.manual_seed(99)
    _assert_same(_tracker(seed=1).track(_clip(), QUERIES), first)
    assert not np.array_equal(_tracker(seed=2).track(_clip(), QUERIES).xy, first.xy)


@pytest.mark.parametrize("settings", [{}, {"points_per_batch": 1}, {"variant": "flow"}, {"preset": "release"}])
def test_answers_do_not_depend_on_the_other_queries(settings: dict[str, Any]) -> None:
    tracker = _tracker(**settings)
    together = _tracker(**{**settings, "points_per_batch": 512}).track(_clip(), QUERIES)
    for row in range(len(QUERIES)):
        alone = tracker.track(_clip(), QUERIES[row : row + 1])
        np.testing.assert_allclose(alone.xy[0], together.xy[row], atol=1e-4)
        np.testing.assert_array_equal(alone.visible[0], together.visible[row])


def test_shuffled_tokens_repeat_with_their_seed() -> None:
    shuffled = _tracker(token_order="shuffled").track(_clip(), QUERIES)
    _assert_same(_tracker(token_order="shuffled").track(_clip(), QUERIES), shuffled)
    other = _tracker(token_order="shuffled", shuffle_seed=1).track(_clip(), QUERIES)
    assert not np.array_equal(other.xy, shuffled.xy)
    assert not np.array_equal(_tracker().track(_clip(), QUERIES).xy, shuffled.xy)


def test_reduced_precision_changes_tracks_only_slightly() -> None:
    full, half = (_tracker(variant="flow", precision=p).track(_clip(), QUERIES) for p in ("float32", "bfloat16"))
    assert not np.array_equal(full.xy, half.xy)
    np.testing.assert_allclose(half.xy, full.xy, atol=2)


def test_only_the_release_keeps_tracks_within_the_frame() -> None:
    queries = Queries(np.zeros(40, dtype=int), np.random.default_rng(1).uniform(0, (WIDTH, HEIGHT), (40, 2)))
    free = _tracker(variant="flow").track(_clip(), queries).xy
    clipped = _tracker(variant="flow", clip_to_frame=True).track(_clip(), queries).xy
    np.testing.assert_array_equal(clipped, np.clip(free, 0, [WIDTH, HEIGHT]))
    assert not np.array_equal(clipped, free)


@pytest.mark.parametrize("frames", [1, 2, 3])
def test_clips_shorter_than_a_window(frames: int) -> None:
    queries = Queries(np.arange(frames), np.full((frames, 2), 12.0))
    tracks = _tracker().track(_clip(frames), queries)
    assert tracks.xy.shape == (frames, frames, 2)
    assert tracks.visible[np.arange(frames), np.arange(frames)].all()


def test_no_queries() -> None:
    assert _tracker().track(_clip(), QUERIES[:0]).xy.shape == (0, FRAMES, 2)


def test_weights_from_a_file(tmp_path: Path) -> None:
    tracker = _tracker(_saved(tmp_path / "weights.safetensors", seed=5))
    assert tracker.note == ""
    _assert_same(tracker.track(_clip(), QUERIES), _tracker(seed=5).track(_clip(), QUERIES))


def test_the_scale_factor_of_the_weights_is_honoured_unless_switched_off(tmp_path: Path) -> None:
    plain = _saved(tmp_path / "plain.safetensors")
    small = _saved(tmp_path / "small.safetensors", activation=Activation(scale_factor=0.3))
    expected = _tracker(plain).track(_clip(), QUERIES)
    _assert_same(_tracker(small, apply_scale_factor=False).track(_clip(), QUERIES), expected)
    assert not np.array_equal(_tracker(small).track(_clip(), QUERIES).xy, expected.xy)


def test_a_readout_replaces_the_gaussians(tmp_path: Path) -> None:
    config = ReadoutConfig(heads=2)
    path = _saved(tmp_path / "readout.safetensors", readout=config)
    tracker = _tracker(path)
    queries = Queries(np.zeros(3, dtype=int), np.array([[6.0, 30.0], [59.0, 1.0], [30.0, 20.0]]))
    clip = _clip(NETWORK.num_frames)
    tracks = tracker.track(clip, queries)

    torch.manual_seed(0)
    model = ReadoutTracker(NETWORK, config).eval()
    size = (NETWORK.image_size, NETWORK.image_size)
    video = FrameWindows(clip, NETWORK.num_frames, size, torch.device("cpu"))[0]
    tyx = np.concatenate([np.zeros((3, 1)), queries.xy[:, ::-1] / [HEIGHT, WIDTH]], axis=1)
    with torch.inference_mode():
        positions, occluded = model(video, torch.from_numpy(tyx).float()[None])
    expected = positions[0].numpy() * [WIDTH, HEIGHT]
    np.testing.assert_allclose(tracks.xy[:, 1:], expected[:, 1:], atol=1e-3)
    np.testing.assert_array_equal(tracks.visible[:, 1:], occluded[0].numpy()[:, 1:] < 0.5)
    _assert_same(tracker.track(clip, queries), tracks)


def test_weights_that_cannot_track_are_refused(tmp_path: Path) -> None:
    path = tmp_path / "encoder.safetensors"
    save_weights(path, Encoder(NETWORK).state_dict(), "mae-encoder", {"network": NETWORK})
    with pytest.raises(WeightsError, match="mae-encoder"):
        _tracker(path)
    with pytest.raises(WeightsError):
        _tracker(tmp_path / "missing.safetensors")


@pytest.mark.gpu
def test_tracks_on_cuda_are_those_on_the_cpu() -> None:
    expected = _tracker(variant="flow").track(_clip(), QUERIES)
    found = VideoGMAETracker(configured(VideoGMAEConfig, variant="flow"), None, "cuda", 0).track(_clip(), QUERIES)
    np.testing.assert_allclose(found.xy, expected.xy, atol=0.05)


def test_features_of_its_encoder_track_without_training(tmp_path: Path) -> None:
    """With every kind of weights, also of an encoder alone, and with all settings of features."""
    save_weights(tmp_path / "mae", Encoder(NETWORK).state_dict(), "mae-encoder", {"network": NETWORK})
    settings = {"context": "window", "calibration_clips": 1, "stitch": 1, "propagation": "both"}
    for weights in (tmp_path / "mae", _saved(tmp_path / "w", readout=ReadoutConfig(heads=2)), _saved(tmp_path / "g")):
        found = _tracker(weights, readout="features", **settings).track(_clip(), QUERIES)
        encoder = EncoderFeatures(load_model(weights)[0])
        alone = CorrespondenceTracker(
            encoder, CorrespondenceConfig(**settings), "cpu", calibration_clip, backward=False
        )
        _assert_same(found, alone.track(_clip(), QUERIES))
    assert _tracker(None, readout="features", **settings).note == "random weights"
    with pytest.raises(WeightsError, match="readout=features"):
        _tracker(tmp_path / "mae")


def test_a_readout_of_several_windows_tracks_through_longer_windows(tmp_path: Path) -> None:
    config = ReadoutConfig(heads=2, windows=2)
    tracker = _tracker(_saved(tmp_path / "w", readout=config))
    tracks = tracker.track(_clip(), Queries(np.array([0]), np.array([[3.0, 4.0]])))
    model, _ = load_model(tmp_path / "w")
    assert isinstance(model, ReadoutTracker)
    length = 2 * NETWORK.num_frames
    video = FrameWindows(_clip(), length, (NETWORK.image_size, NETWORK.image_size), torch.device("cpu"))[0]
    size = NETWORK.image_size
    with torch.no_grad():
        found = read_tracks(model, video, torch.tensor([[3.0 / WIDTH * size, 4.0 / HEIGHT * size]])).xy[0]
    count = min(length, FRAMES)
    np.testing.assert_allclose(
        tracks.xy[0, 1:count], (found[1:count] / size).numpy() * np.array([WIDTH, HEIGHT]), atol=1e-3
    )


def test_each_tile_is_tracked_like_a_separate_frame(tmp_path: Path) -> None:
    side = NETWORK.image_size
    weights = _saved(tmp_path / "weights.safetensors", seed=4)
    frames = np.random.default_rng(1).integers(0, 256, (NETWORK.num_frames, 2 * side, 2 * side, 3), dtype=np.uint8)
    corner = Queries(np.zeros(2, np.int64), np.array([[9.5, 12.0], [3.0, 20.5]]))
    whole = _tracker(weights, tiles=2).track(frames, corner)
    tile = _tracker(weights).track(frames[:, :side, :side], corner)
    np.testing.assert_allclose(whole.xy, tile.xy, rtol=0, atol=1e-4)
    np.testing.assert_array_equal(whole.visible, tile.visible)


@pytest.mark.parametrize(("written", "asked", "as_if"), [(2, None, 2), (2, 1, 1), (None, None, 1), (None, 3, 3)])
def test_the_number_of_tiles_comes_from_the_weights_file(
    tmp_path: Path, written: int | None, asked: int | None, as_if: int
) -> None:
    sections = {"tracking": {"tiles": written}} if written else {}
    said = _saved(tmp_path / "said.safetensors", **sections)
    silent = _saved(tmp_path / "silent.safetensors")
    clip = _clip()
    _assert_same(_tracker(said, tiles=asked).track(clip, QUERIES), _tracker(silent, tiles=as_if).track(clip, QUERIES))
    other = _tracker(silent, tiles=as_if % 3 + 1).track(clip, QUERIES)
    assert not np.array_equal(other.xy, _tracker(said, tiles=asked).track(clip, QUERIES).xy)
