"""The tracker: all ways of computing give the same tracks, with the expected work and memory."""

from __future__ import annotations

from collections import Counter
from typing import Any

import numpy as np
import numpy.typing as npt
import pytest
import torch
import torch.nn.functional as F
from torch import Tensor
from vgmae_baselines.gmrw.flow import Flows
from vgmae_baselines.gmrw.matching import Matcher, Matching, prepare
from vgmae_baselines.gmrw.network import GMRW, NetworkConfig
from vgmae_baselines.gmrw.tracker import GMRWConfig, GMRWTracker, cheaper_readout

from tests.baselines.gmrw import published
from tests.baselines.gmrw.moving import FRAMES, HEIGHT, QUERIES, SMALL, WIDTH, clip, tracker
from vgmae_bench.errors import UsageError
from vgmae_bench.types import Queries

pytestmark = pytest.mark.usefixtures("small_network")


@pytest.fixture
def exact_matching(monkeypatch: pytest.MonkeyPatch) -> None:
    """Cells match by the pixels around them, which are unique in these clips."""

    def features(self: GMRW, images: Tensor) -> Tensor:
        height, width = (side // 4 for side in images.shape[2:])
        patches = F.unfold(F.pad(images, (2, 1, 2, 1)), 4, stride=4).unflatten(2, (height, width))
        return 40 * F.normalize(patches - patches.mean(dim=1, keepdim=True), dim=1)

    monkeypatch.setattr(GMRW, "backbone_features", features)
    monkeypatch.setattr(GMRW, "match", lambda self, a, b, tokens_at_once: (a, b))


@pytest.mark.parametrize("flow_grid", ["cell_center", "official"])
@pytest.mark.parametrize(
    ("tracking", "upsample"), [("chained", 1), ("chained", 2), ("chained", 4), ("direct", 1), ("direct", 2)]
)
@pytest.mark.usefixtures("exact_matching")
def test_points_follow_a_known_motion(tracking: str, upsample: int, flow_grid: str) -> None:
    """Four pixels per frame are a whole number of cells, or nearly: enlarged frames are not exactly `upsample` times finer."""
    queries = Queries(np.array([0, 5, 2]), np.array([[40.5, 12.5], [12.5, 20.5], [20.5, 28.5]]))
    made = tracker(tracking=tracking, upsample=upsample, flow_grid=flow_grid, threshold=20)
    tracks = made.track(clip(), queries)
    moved = -4 * (np.arange(FRAMES) - queries.frame[:, None])
    atol = 0.01 if upsample == 1 else 0.4
    np.testing.assert_allclose(tracks.xy[..., 0] - queries.xy[:, :1], moved, atol=atol)
    np.testing.assert_allclose(tracks.xy[..., 1], np.broadcast_to(queries.xy[:, 1:], (3, FRAMES)), atol=atol)
    assert tracks.visible.all()


def test_it_equals_the_published_procedure() -> None:
    """With random weights, whose flow is very rough."""
    torch.manual_seed(0)
    model = GMRW(SMALL).eval()
    frames = clip()
    images = torch.cat([prepare(torch.from_numpy(frame), 1, "official") for frame in frames])
    frame, xy = torch.from_numpy(QUERIES.frame), torch.from_numpy(QUERIES.xy)
    with torch.no_grad():
        path, visible = published.track(model, images, frame, xy, threshold=15.0)
    threshold = 15.0 * 256 / (HEIGHT * WIDTH) ** 0.5
    for readout in ("dense", "attention", "rows"):
        tracks = tracker(preset="official", readout=readout, threshold=threshold).track(frames, QUERIES)
        np.testing.assert_allclose(tracks.xy, path.numpy(), atol=2e-2)
        np.testing.assert_array_equal(tracks.visible, visible.numpy())
    assert 0.2 < visible.float().mean() < 0.9


@pytest.mark.parametrize("upsample", [1, 2])
@pytest.mark.parametrize("tracking", ["chained", "direct"])
def test_tracks_do_not_depend_on_memory_and_chunk_settings(tracking: str, upsample: int) -> None:
    settings: dict[str, Any] = {"tracking": tracking, "upsample": upsample}
    expected = tracker(**settings).track(clip(), QUERIES)
    for change in ({"readout": "dense"}, {"readout": "rows"}, {"chunk_mb": 1}, {"cache_mb": 1, "readout": "rows"}):
        found = tracker(**settings, **change).track(clip(), QUERIES)
        np.testing.assert_allclose(found.xy, expected.xy, atol=1e-2)
        np.testing.assert_array_equal(found.visible, expected.visible)
    for row in range(len(QUERIES)):
        alone = tracker(**settings).track(clip(), QUERIES[row : row + 1])
        np.testing.assert_allclose(alone.xy[0], expected.xy[row], atol=1e-2)
        np.testing.assert_array_equal(alone.visible[0], expected.visible[row])


@pytest.mark.parametrize(
    ("settings", "passes", "encoded"),
    [
        ({"readout": "attention"}, FRAMES - 1, FRAMES),
        ({"readout": "dense"}, FRAMES - 1, FRAMES),
        ({"readout": "rows"}, 2 * (FRAMES - 1), FRAMES),
        ({"tracking": "direct"}, 3 * (FRAMES - 1) - 3, FRAMES),
    ],
)
def test_every_frame_is_encoded_once_and_every_pair_matched_once(
    settings: dict[str, Any], passes: int, encoded: int, monkeypatch: pytest.MonkeyPatch
) -> None:
    calls: Counter[str] = Counter()
    for name in ("match", "backbone_features"):
        original = getattr(GMRW, name)

        def counted(*args: Any, original: Any = original, name: str = name, **kwargs: Any) -> Any:
            calls[name] += 1
            return original(*args, **kwargs)

        monkeypatch.setattr(GMRW, name, counted)
    tracker(**settings).track(clip(), QUERIES)
    assert calls == {"match": passes, "backbone_features": encoded}


def test_features_beyond_the_memory_limit_are_recomputed(monkeypatch: pytest.MonkeyPatch) -> None:
    encoded: list[int] = []
    original = GMRW.backbone_features

    def counted(self: GMRW, images: Tensor) -> Tensor:
        encoded.append(len(images))
        return original(self, images)

    monkeypatch.setattr(GMRW, "backbone_features", counted)
    features_bytes = 4 * SMALL.feature_channels * (HEIGHT // 4) * (WIDTH // 4)
    for frames_kept, expected in ((0, 5), (2, 5), (3, 3)):
        encoded.clear()
        matching = Matching("correct", 1, "cell_center", "raster", cache_bytes=frames_kept * features_bytes)
        with torch.no_grad():
            matcher = Matcher(GMRW(SMALL), clip(), matching)
            for pair in ((0, 1), (0, 2), (1, 2), (1, 0)):
                matcher.flows(*pair)
        assert len(encoded) == expected


@pytest.mark.parametrize("size", [(41, 57), (8, 8), (9, 200)])
def test_frames_of_any_size(size: tuple[int, int]) -> None:
    queries = Queries(np.array([0, 1]), np.array([[4, 4], [7.9, 7.9]]))
    for settings in ({}, {"preset": "official"}, {"readout": "rows", "upsample": 2}):
        tracks = tracker(**settings).track(clip(3, *size), queries)  # type: ignore[arg-type]
        assert tracks.xy.shape == (2, 3, 2)
        assert np.isfinite(tracks.xy).all()
        assert (tracks.xy[np.arange(2), queries.frame] == queries.xy).all()


def test_frames_too_small_to_match_are_refused() -> None:
    with pytest.raises(UsageError, match="8×8"):
        tracker().track(clip(2, 7, 20), QUERIES[:1])


@pytest.mark.parametrize("tracking", ["chained", "direct"])
def test_one_frame_and_no_queries(tracking: str) -> None:
    one = tracker(tracking=tracking).track(clip(1), QUERIES[:1])
    assert one.xy.tolist() == [[[10, 10]]] and one.visible.all()
    assert tracker(tracking=tracking).track(clip(), QUERIES[:0]).xy.shape == (0, FRAMES, 2)


def test_direct_occlusion() -> None:
    cycle, inside = (
        tracker(tracking="direct", direct_occlusion=name).track(clip(), QUERIES) for name in ("cycle", "inside")
    )
    np.testing.assert_array_equal(cycle.xy, inside.xy)
    within = ((inside.xy >= 0) & (inside.xy < (WIDTH, HEIGHT))).all(axis=-1)
    np.testing.assert_array_equal(inside.visible, within)
    assert (cycle.visible <= inside.visible).all()
    assert cycle.visible.sum() < inside.visible.sum()


def test_the_threshold_grows_with_the_frames(monkeypatch: pytest.MonkeyPatch) -> None:
    """A forward-backward residual of 3.2 pixels is too large for frames of 256×256, but not for larger frames."""

    def flows(self: Matcher, a: int, b: int) -> Flows:
        return Flows(torch.zeros_like, lambda at: torch.full_like(at, 3.2 / 2**0.5))

    monkeypatch.setattr(Matcher, "flows", flows)
    for size, visible in (((256, 256), False), ((200, 400), True), ((512, 512), True)):
        frames = np.zeros((3, *size, 3), np.uint8)
        for tracking in ("chained", "direct"):
            assert tracker(tracking=tracking).track(frames, QUERIES[:1]).visible[0, 1:].all() == visible


def test_few_points_use_sparse_flow_and_many_use_dense_flow(monkeypatch: pytest.MonkeyPatch) -> None:
    asked: list[str] = []

    class Watched(Matcher):
        def __init__(self, network: GMRW, frames: npt.NDArray[np.uint8], matching: Matching) -> None:
            asked.append(matching.by)
            super().__init__(network, frames, matching)

    monkeypatch.setattr("vgmae_baselines.gmrw.tracker.Matcher", Watched)
    cells = HEIGHT * WIDTH // 16
    for points in (cells // 4 - 1, cells // 4):
        queries = Queries(np.zeros(points, dtype=np.int64), np.full((points, 2), 9.0))
        tracker().track(clip(), queries)
    tracker(upsample=2).track(clip(), queries)
    assert asked == ["rows", "attention", "rows"]


@pytest.mark.gpu
@pytest.mark.parametrize("tracking", ["chained", "direct"])
def test_tracks_on_cuda_are_those_on_the_cpu(tracking: str) -> None:
    expected = tracker(tracking=tracking).track(clip(), QUERIES)
    for readout in ("attention", "dense", "rows"):
        config = GMRWConfig(tracking=tracking, readout=readout)  # type: ignore[arg-type]
        found = GMRWTracker(config, None, "cuda", 0).track(clip(), QUERIES)
        np.testing.assert_allclose(found.xy, expected.xy, atol=0.2)


SHALLOW = NetworkConfig(feature_channels=64, layers=1, ffn_expansion=1, splits=4, stem_channels=(16, 24, 32))


@pytest.mark.parametrize(
    ("config", "points", "again", "by"),
    [
        (NetworkConfig(), 64, 0.0, "rows"),  # all queries in the first frame: nothing is matched twice
        (NetworkConfig(), 64, 1.0, "attention"),  # six layers are worth more than a map of all cells
        (SHALLOW, 64, 1.0, "rows"),  # one layer is not
        (SHALLOW, 2000, 0.0, "attention"),  # half as many points as cells
    ],
)
def test_the_cheaper_flow_computation_is_selected(config: NetworkConfig, points: int, again: float, by: str) -> None:
    assert cheaper_readout(config, 64 * 64, points, again) == by
