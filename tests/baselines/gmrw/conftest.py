"""A network that is small enough for fast tests."""

from __future__ import annotations

import pytest
from vgmae_baselines.gmrw import network

from tests.baselines.gmrw.moving import SMALL


@pytest.fixture
def small_network(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setitem(network.SIZES, "tiny", SMALL)
