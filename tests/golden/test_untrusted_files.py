"""Checkpoints that would execute code: refused, and nothing happens."""

from __future__ import annotations

import os
from pathlib import Path

import pytest

from tests.golden import goldens
from vgmae_bench.errors import UntrustedFileError
from vgmae_bench.videogmae.release import import_weights

FILES = sorted(name for name in goldens.index()["files"] if name.startswith("evil_"))


@pytest.mark.parametrize("file", FILES)
def test_refused_and_nothing_executed(file: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    source = (goldens.FOLDER / file).resolve()
    monkeypatch.chdir(tmp_path)
    marker = goldens.entry(file)["marker"].split()[0]
    with pytest.raises(UntrustedFileError, match="nothing in it was executed"):
        import_weights(source, tmp_path / "weights.safetensors", {})
    assert not os.path.exists(marker)
    assert not list(tmp_path.iterdir())  # nothing half-written either
