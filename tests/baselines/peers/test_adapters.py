"""Adapters of others' trackers, on stand-ins with the peers' interfaces."""

from __future__ import annotations

import sys
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import torch
from vgmae_baselines.peers.cotracker3 import Offline, OfflineConfig, Online, OnlineConfig
from vgmae_baselines.peers.locotrack import LocoTrack, LocoTrackConfig
from vgmae_baselines.peers.tapir import BootsTapir, BootsTapirConfig, Tapir, TapirConfig

from vgmae_bench.checkouts import Checkout, use
from vgmae_bench.errors import PluginError, UsageError, WeightsError
from vgmae_bench.evaluation.asking import asking_of
from vgmae_bench.specs import MethodSpec
from vgmae_bench.types.tracks import Foreign, Noted, Queries

FRAMES = np.full((20, 32, 48, 3), 200, dtype=np.uint8)
QUERIES = Queries(np.array([0, 5]), np.array([[10.5, 7.25], [3.0, 4.0]], dtype=np.float32))
MAKERS: dict[str, tuple[Any, Any]] = {
    "tapir": (Tapir, TapirConfig()),
    "bootstapir": (BootsTapir, BootsTapirConfig()),
    "locotrack": (LocoTrack, LocoTrackConfig()),
    "cotracker3": (Offline, OfflineConfig()),
    "cotracker3-joint": (Offline, OfflineConfig(single_point=False)),
    "cotracker3-published": (Offline, OfflineConfig(preset="published")),
    "cotracker3-online": (Online, OnlineConfig()),
    "cotracker3-online-published": (Online, OnlineConfig(preset="published")),
}


def make(name: str, weights: Path | None = None) -> Any:
    maker, config = MAKERS[name]
    return maker(config, weights, "cpu", 0)


@pytest.mark.parametrize("name", MAKERS)
def test_queries_and_answers_are_raster_pixels(name: str) -> None:
    tracker = make(name)
    tracks = tracker.track(FRAMES, QUERIES)
    since = np.arange(20) - QUERIES.frame[:, None]
    np.testing.assert_allclose(tracks.xy[..., 0], QUERIES.xy[:, :1] + since, atol=1e-5)
    np.testing.assert_allclose(tracks.xy[..., 1], np.repeat(QUERIES.xy[:, 1:], 20, axis=1), atol=1e-5)
    np.testing.assert_array_equal(tracks.visible, since >= 0)
    assert isinstance(tracker, Noted) and tracker.note == "random weights"
    assert isinstance(tracker, Foreign) and "no-commit" in tracker.checkout


@pytest.mark.parametrize("frames", [1, 4, 8, 9, 17])
def test_the_online_tracker_accepts_clips_of_any_length(frames: int) -> None:
    tracks = make("cotracker3-online").track(FRAMES[:frames], QUERIES[:1])
    assert tracks.xy.shape == (1, frames, 2)


def test_joint_queries_are_passed_singly_except_with_the_authors_preset() -> None:
    spec = MethodSpec("cotracker3", "", queries="joint")
    said = {name: asking_of(spec, make(name)) for name in MAKERS if name.startswith("cotracker3")}
    assert {name: how.ask for name, how in said.items() if how.queries == "joint"} == {
        "cotracker3-joint": "single",
        "cotracker3-online": "single",
        "cotracker3-online-published": "all",
    }
    assert said["cotracker3"] == asking_of(MethodSpec("cotracker3", ""), make("cotracker3"))  # as it splits by itself


def test_the_published_temperature_of_bootstapir() -> None:
    assert (BootsTapirConfig().temperature, TapirConfig().temperature) == (10.0, 20.0)


def test_building_a_tracker_changes_no_random_state_and_no_modules() -> None:
    torch.manual_seed(5)
    expected = torch.rand(2)
    torch.manual_seed(5)
    for name in ("tapir", "locotrack", "cotracker3"):
        make(name)
    assert torch.equal(torch.rand(2), expected)
    assert not {"models", "tapnet", "cotracker", "models.utils"} & set(sys.modules)


def test_weights_are_read_without_their_prefix_and_must_fit(tmp_path: Path) -> None:
    file = tmp_path / "locotrack_base.ckpt"
    torch.save({"state_dict": {"model.drawn": torch.ones(3)}}, file)
    tracker = make("locotrack", file)
    assert tracker.note == ""
    torch.save({"state_dict": {"model.drawn": torch.ones(4)}}, file)
    with pytest.raises(WeightsError, match=r"drawn \[4\] instead of \[3\]"):
        make("locotrack", file)


def test_two_checkouts_with_equal_module_names_work_in_one_process() -> None:
    trackers = [make("locotrack"), make("tapir"), make("locotrack")]
    for tracker in trackers:
        assert tracker.track(FRAMES, QUERIES).xy.shape == (2, 20, 2)


def test_two_top_level_modules_called_utils_are_kept_separate(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    for name in ("one", "two"):
        (tmp_path / name).mkdir()
        (tmp_path / name / "utils.py").write_text(f"NAME = {name!r}\n")
        (tmp_path / name / "network.py").write_text("import utils\ndef name():\n    return utils.NAME\n")
        monkeypatch.setenv(f"VGMAE_BENCH_CHECKOUT_{name.upper()}", str(tmp_path / name))
    found = [Checkout(f"them/{name}@abcdef0") for name in ("one", "two")]
    networks = [checkout.module("network") for checkout in found]
    assert [network.name() for network in networks] == ["one", "two"]
    assert found[0].module("network") is networks[0]
    before = found[0].identity
    (tmp_path / "one" / "utils.py").write_text("NAME = 'changed'\n")
    assert found[0].identity != before


def test_a_missing_requirement_is_an_error_of_one_line(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("VGMAE_BENCH_CHECKOUT_CO_TRACKER", str(tmp_path / "nowhere"))
    with pytest.raises(PluginError, match="facebookresearch/co-tracker is not checked out") as raised:
        Checkout("facebookresearch/co-tracker@82e02e8")
    assert "git clone https://github.com/facebookresearch/co-tracker" in raised.value.try_
    assert "checkout 82e02e8" in raised.value.try_
    with pytest.raises(UsageError, match="is no repository"):
        Checkout("co-tracker")


def test_an_import_that_fails_names_the_repository(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("VGMAE_BENCH_CHECKOUT_THEIRS", str(tmp_path))
    (tmp_path / "net.py").write_text("raise RuntimeError('operator torchvision::nms does not exist')\n")
    checkout = Checkout("them/theirs@abcdef0")
    with pytest.raises(PluginError, match="net of them/theirs cannot be imported") as raised:
        checkout.module("net")
    assert "built for another version of torch" in raised.value.why


def test_a_checkout_folder_from_the_command_line_is_used(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("VGMAE_BENCH_CHECKOUT_CO_TRACKER", str(tmp_path / "nowhere"))
    use([f"co-tracker={tmp_path / 'co-tracker'}"])
    assert Checkout("facebookresearch/co-tracker@82e02e8").folder == tmp_path / "co-tracker"
    for wrong in ("co-tracker", "co-tracker=", f"co-tracker={tmp_path / 'nowhere'}"):
        with pytest.raises(UsageError, match=r"is no checkout|There is no folder"):
            use([wrong])
