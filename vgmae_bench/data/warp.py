"""The embedded set of photographs moved by known warps: what it is made of stands in clips/warp.md."""

from __future__ import annotations

from pathlib import Path

from vgmae_bench import data
from vgmae_bench.data.prepared import PreparedDataset

FILE = Path(__file__).parent / "clips" / "warp.h5"


def warp() -> PreparedDataset:
    """The four clips, in the prepared form, from the installed package."""
    return PreparedDataset(FILE, data.WARP)
