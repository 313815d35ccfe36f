"""The embedded dataset `warp`: photographs moved by known warps. clips/warp.md describes it."""

from __future__ import annotations

from pathlib import Path

from vgmae_bench import data
from vgmae_bench.data.prepared import PreparedDataset

FILE = Path(__file__).parent / "clips" / "warp.h5"


def warp() -> PreparedDataset:
    """The four clips. The installed package contains them in the prepared form."""
    return PreparedDataset(FILE, data.WARP)
