"""A small dataset on disk."""

from __future__ import annotations

from pathlib import Path

import pytest

from tests.clips import write_davis
from tests.evaluation.other_programs.submitted import SIZE


@pytest.fixture
def root(tmp_path: Path) -> Path:
    return write_davis(tmp_path / "data", clips=3, size=SIZE)
