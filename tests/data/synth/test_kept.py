"""The cache of rendered clips: equal bytes, rendered once, rendered again if damaged, within a limit."""

import logging
import os

import numpy as np
import pytest
import torch

from vgmae_bench.data.synth import dataset as module
from vgmae_bench.data.synth.dataset import Synth
from vgmae_bench.data.synth.kept import keep, make_room, read_kept
from vgmae_bench.data.synth.scene import SynthConfig
from vgmae_bench.files import cache_folder

SMALL = SynthConfig(height=32, width=32, frames=4, points=5, clips=2)


@pytest.fixture
def rendered(monkeypatch):
    """The number of rendered frames of each call."""
    calls = []
    real = module.render_video
    monkeypatch.setattr(module, "render_video", lambda *given: calls.append(1) or real(*given))
    return calls


def content(clip_id="test-00001"):
    clip = Synth(SMALL).clip(clip_id)
    return clip.read(), clip.points, clip.occluded


def files():
    return sorted((cache_folder() / "synth").rglob("*.safetensors"))


def test_a_second_reading_has_the_same_bytes_and_renders_nothing(rendered):
    first = content()
    assert len(rendered) == 1
    assert [file.name for file in files()] == ["test-00001.safetensors"]
    for a, b in zip(first, content(), strict=True):
        assert a.dtype == b.dtype
        assert np.array_equal(a, b)
    assert len(rendered) == 1


def test_settings_change_clips_but_the_number_of_clips_does_not(rendered):
    content()
    Synth(SynthConfig(height=32, width=32, frames=4, points=5, clips=7)).clip("test-00001").read()
    assert len(rendered) == 1
    Synth(SynthConfig(height=32, width=32, frames=4, points=5, speed=2.0)).clip("test-00001").read()
    assert len(rendered) == 2


@pytest.mark.parametrize("where", [-1, 20])  # in the last array, in the header
def test_a_damaged_file_is_made_again(rendered, where):
    first = content()
    (file,) = files()
    damaged = bytearray(file.read_bytes())
    damaged[where] ^= 1
    file.write_bytes(damaged)
    for a, b in zip(first, content(), strict=True):
        assert np.array_equal(a, b)
    assert len(rendered) == 2
    content()
    assert len(rendered) == 2


def test_changes_of_returned_frames_do_not_reach_the_cache():
    first = content()[0]
    expected = first.copy()
    first[:] = 0
    assert np.array_equal(content()[0], expected)


def test_a_cache_that_cannot_be_written_costs_time_only(rendered, tmp_path, monkeypatch, caplog):
    (tmp_path / "taken").write_text("")
    monkeypatch.setenv("VGMAE_BENCH_CACHE", str(tmp_path / "taken"))
    with caplog.at_level(logging.INFO):
        first, second = content(), content()
    assert np.array_equal(first[0], second[0])
    assert len(rendered) == 2
    assert "are not kept" in caplog.text


def test_least_recently_used_files_are_deleted_first(tmp_path):
    for number, name in enumerate("abc"):
        keep(tmp_path / f"{name}.safetensors", {"video": torch.zeros(1000, dtype=torch.uint8)})
        os.utime(tmp_path / f"{name}.safetensors", (number, number))
    os.utime(tmp_path / "a.safetensors", (9, 9))
    assert make_room(tmp_path, 1000, limit=3500)
    assert [file.stem for file in sorted(tmp_path.iterdir())] == ["a", "c"]
    assert not make_room(tmp_path, 4000, limit=3500)


def test_missing_cache_files_are_not_read(tmp_path):
    keep(tmp_path / "a.safetensors", {"video": torch.zeros(3)})
    assert read_kept(tmp_path / "a.safetensors", ("flow",)) is None
    assert read_kept(tmp_path / "b.safetensors", ("video",)) is None
