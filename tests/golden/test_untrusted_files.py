"""Checkpoints that would execute code: refused, and nothing happens."""

from __future__ import annotations

import os
from pathlib import Path

import pytest

from tests.golden import goldens
from tests.golden.goldens import Golden
from vgmae_bench.errors import UntrustedFileError
from vgmae_bench.videogmae.release import import_weights


@pytest.mark.parametrize("file", goldens.each("evil_*"))
def test_malicious_files_are_refused_without_execution(
    file: Golden, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.chdir(tmp_path)
    marker = file.entry["marker"].split()[0]
    with pytest.raises(UntrustedFileError, match="nothing in it was executed"):
        import_weights(file.path, tmp_path / "weights.safetensors", {})
    assert not os.path.exists(marker)
    assert not list(tmp_path.iterdir())  # nothing half-written either
