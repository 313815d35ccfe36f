"""How settings and weights determine the tracker."""

from __future__ import annotations

from dataclasses import fields, replace
from pathlib import Path
from typing import Any, get_type_hints

import numpy as np
import pytest
import torch
from vgmae_baselines.gmrw import SPEC
from vgmae_baselines.gmrw.checkpoint import Inference
from vgmae_baselines.gmrw.matching import prepare
from vgmae_baselines.gmrw.tracker import PRESETS, GMRWConfig, GMRWTracker, Switches

from tests.baselines.gmrw.moving import HEIGHT, QUERIES, WIDTH, assert_same, clip, saved, tracker
from vgmae_bench.config import build, call_with
from vgmae_bench.errors import UsageError, WeightsError
from vgmae_bench.plugins import Plugin, load
from vgmae_bench.resizing import resize_frames
from vgmae_bench.types import Queries, rescale

pytestmark = pytest.mark.usefixtures("small_network")


def test_the_input_ranges_differ_by_the_factor_alone() -> None:
    frame = torch.from_numpy(clip()[0])
    correct, official = prepare(frame, 1, "correct"), prepare(frame, 1, "official")
    mean, std = torch.tensor([0.485, 0.456, 0.406]), torch.tensor([0.229, 0.224, 0.225])
    pixel = frame[3, 5].float()
    torch.testing.assert_close(correct[0, :, 3, 5], (pixel / 255 - mean) / std)
    torch.testing.assert_close(official[0, :, 3, 5], (pixel - mean) / std)
    found = [tracker(input_range=name).track(clip(), QUERIES).xy for name in ("correct", "official")]
    assert not np.allclose(*found, atol=0.1)


def test_enlarging_keeps_the_first_and_the_last_pixel() -> None:
    frame = torch.from_numpy(clip()[0])
    small, large = prepare(frame, 1, "correct"), prepare(frame, 4, "correct")
    assert large.shape == (1, 3, 4 * HEIGHT, 4 * WIDTH)
    for corner in ((0, 0), (0, -1), (-1, 0), (-1, -1)):
        torch.testing.assert_close(large[..., corner[0], corner[1]], small[..., corner[0], corner[1]])


def test_weights_define_the_input_range_unless_the_user_sets_it(tmp_path: Path) -> None:
    path = saved(tmp_path / "a.safetensors", Inference("official", 2))
    assert_same(
        tracker(path).track(clip(), QUERIES), tracker(input_range="official", upsample=2).track(clip(), QUERIES)
    )
    one = tracker(path, upsample=1, input_range="correct")
    assert one.note == "" and tracker().note == "random weights"
    assert_same(one.track(clip(), QUERIES), tracker().track(clip(), QUERIES))


def test_an_unknown_input_range_must_be_chosen(tmp_path: Path) -> None:
    path = saved(tmp_path / "official.safetensors", Inference(None, 1))
    with pytest.raises(UsageError, match=r"do not say.*(?s:.*)--set input_range=correct"):
        tracker(path)
    known: list[dict[str, Any]] = [{"input_range": "correct"}, {"input_range": "official"}, {"preset": "official"}]
    for settings in known:
        tracker(path, **settings)


def test_random_weights_depend_on_the_seed_alone() -> None:
    state = torch.get_rng_state()
    first = tracker(seed=1).track(clip(), QUERIES)
    assert torch.equal(torch.get_rng_state(), state)
    torch.manual_seed(99)
    assert_same(tracker(seed=1).track(clip(), QUERIES), first)
    assert not np.array_equal(tracker(seed=2).track(clip(), QUERIES).xy, first.xy)


def test_the_spec_builds_it_with_settings_from_text() -> None:
    factory = load(Plugin(SPEC.name, SPEC, "", "vgmae-bench", "0", ""), "tracker")
    settings = {"preset": "official", "tracking": "direct", "upsample": 2, "chunk_mb": "3"}
    built = call_with(factory, settings, owner="gmrw", weights=None, device="cpu", seed=0)
    assert isinstance(built.product, GMRWTracker)
    assert built.settings["upsample"] == 2 and built.settings["chunk_mb"] == 3


@pytest.mark.parametrize(
    "wrong",
    [
        {"upsample": 3},
        {"tracking": "fused"},
        {"readout": "flash"},
        {"threshold": 0},
        {"chunk_mb": 0},
        {"cache_mb": -1},
        {"radius": 0},
        {"size": "huge"},
        {"input_rang": "official"},
    ],
)
def test_wrong_settings_are_refused(wrong: dict[str, Any]) -> None:
    with pytest.raises(UsageError):
        build(GMRWConfig, wrong, owner="gmrw")


def test_every_preset_option_is_a_setting_that_overrides_the_preset() -> None:
    hints, settings = get_type_hints(Switches), get_type_hints(GMRWConfig)
    for field in fields(Switches):
        assert settings[field.name] == hints[field.name] | None
    config = GMRWConfig(preset="official", flow_grid="cell_center", readout="rows")
    assert config.switches == replace(PRESETS["official"], flow_grid="cell_center", readout="rows")


def test_weights_define_the_matching_unless_the_user_sets_it() -> None:
    weights = Inference(upsample=2, method="weighted_argmax", radius=2.5)
    made = GMRWConfig().matching(weights)
    assert (made.upsample, made.method, made.radius) == (2, "weighted_argmax", 2.5)
    made = GMRWConfig(upsample=1, method="argmax", radius=4.0).matching(weights)
    assert (made.upsample, made.method, made.radius) == (1, "argmax", 4.0)


def test_larger_frames_are_shrunk_before_they_are_matched(tmp_path: Path) -> None:
    half = (HEIGHT // 2, WIDTH // 2)
    small = resize_frames(clip(), half)
    asked = Queries(QUERIES.frame, rescale(QUERIES.xy, (HEIGHT, WIDTH), half))
    expected = tracker().track(small, asked)
    path = saved(tmp_path / "a.safetensors", Inference(short_side=min(half)))
    for found in (tracker(short_side=min(half)), tracker(path)):
        tracks = found.track(clip(), QUERIES)
        np.testing.assert_allclose(tracks.xy, rescale(expected.xy, half, (HEIGHT, WIDTH)), rtol=1e-6)
        assert np.array_equal(tracks.visible, expected.visible)
    assert_same(tracker(path, short_side=0).track(clip(), QUERIES), tracker().track(clip(), QUERIES))
    assert_same(tracker(short_side=4 * HEIGHT).track(clip(), QUERIES), tracker().track(clip(), QUERIES))
    with pytest.raises(UsageError, match="short_side must be at least 8 pixels"):
        tracker(short_side=7)


def test_other_weights_are_refused(tmp_path: Path) -> None:
    with pytest.raises(WeightsError):
        tracker(tmp_path / "missing.safetensors")
