"""A dataset in the layout of MOVi-E, written by tensorflow-datasets (`make tfds`)."""

from __future__ import annotations

import json
import os
import subprocess
import sys
from importlib.util import find_spec
from pathlib import Path

import numpy as np
import pytest

from tests.data.kubric.renders import render, write_render
from vgmae_bench.data.open import open_dataset
from vgmae_bench.data.prepare import prepare

_WRITER = Path(__file__).parent / "write_tfds.py"


@pytest.mark.skipif(find_spec("tensorflow_datasets") is None, reason="tensorflow-datasets is not installed: make tfds")
def test_what_tensorflow_datasets_writes_gives_the_same_tracks(tmp_path: Path) -> None:
    """Two scenes, written in a separate process, because TensorFlow must not share a process with torch."""
    made = {str(index): render(48, 8, index=index) for index in range(2)}
    for name, scene in made.items():
        np.savez(tmp_path / f"{name}.npz", metadata=json.dumps(scene.metadata), **scene.layers)
        write_render(scene, tmp_path / "raw" / name)
    command = [sys.executable, str(_WRITER), str(tmp_path), str(tmp_path / "tfds")]
    subprocess.run(command, check=True, timeout=600, env=os.environ | {"CUDA_VISIBLE_DEVICES": ""})
    prepare("kubric", tmp_path / "one", tmp_path / "tfds")
    prepare("kubric", tmp_path / "other", tmp_path / "raw")
    written, raw = (open_dataset("kubric", root=tmp_path / where) for where in ("one", "other"))
    assert sorted(written.ids) == list(raw.ids) == list(made)
    for name in made:
        ours, theirs = raw.clip(name), written.clip(name)
        np.testing.assert_array_equal(theirs.read(), ours.read(), strict=True)
        np.testing.assert_array_equal(theirs.asked, ours.asked, strict=True)
        np.testing.assert_allclose(theirs.tracks(), ours.tracks(), atol=0.02)
        assert (theirs.occluded != ours.occluded).mean() < 0.01
