"""Every test of an adapter finds the stand-ins as checkouts, and no repository of a peer."""

from __future__ import annotations

from pathlib import Path

import pytest

from tests.baselines.peers.stand_ins import lay_out


@pytest.fixture(autouse=True)
def checkouts(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    for name, folder in lay_out(tmp_path).items():
        monkeypatch.setenv(name, folder)
