"""Figures of runs, drawn from committed records: no predictions, no videos and no torch are needed.

`NAMES` can be read without importing matplotlib; `make` imports what it needs.
"""

from __future__ import annotations

import importlib
from collections.abc import Sequence
from pathlib import Path
from typing import Any

NAMES = {
    "bars": "the paper's bars: relative gain of Video-GMAE over GMRW, as printed, as published, as measured",
    "thresholds": "position accuracy and Jaccard at 1 to 16 px",
    "clips": "two methods clip by clip: scatter and sorted differences",
    "occlusion": "accuracy against time since the query and since a point was hidden",
    "cost": "average Jaccard against seconds per frame and peak memory",
    "curves": "training: loss and zero-shot position accuracy over the steps",
}


def draw(name: str, shown: Sequence[Any]) -> Any:
    """The figure `name` as a `vgmae_bench.compare.plots.style.Plot`, in whatever style is set; see `make`."""
    return importlib.import_module(f"vgmae_bench.compare.plots.{name}").draw(shown)


def make(name: str, shown: Sequence[Any], out: Path) -> list[Path]:
    """Draw the figure `name` and write name.png, name.pdf and name.csv into `out`.

    Arguments:
        shown: runs as `select_runs` gives them; training folders (paths) for "curves".

    Returns:
        The three files.

    Raises:
        UserError: the runs lack what the figure shows, or `out` cannot be written to.
    """
    import matplotlib

    from vgmae_bench.compare.plots.style import RC

    with matplotlib.rc_context(RC):  # type: ignore[arg-type]  # its keys are typed as literals
        files: list[Path] = draw(name, shown).save(out, name)
    return files
