"""The embedded set of photographs moved by known warps: what it is made of stands in clips/warp.md."""

from __future__ import annotations

from pathlib import Path

from vgmae_bench import data
from vgmae_bench.data.tapvid.dataset import TapVid, TapVidConfig

FILE = Path(__file__).parent / "clips" / "warp.h5"


def warp() -> TapVid:
    """The four clips, in the prepared form (`vgmae_bench.data.prepared`), from the installed package."""
    return TapVid(data.WARP, FILE.parent, TapVidConfig(), FILE)
