"""Figures of runs. They need only the runs' records: no predictions, no videos and no torch.

`NAMES` does not import matplotlib. `save_plot` imports what it needs.
"""

from __future__ import annotations

import importlib
from collections.abc import Sequence
from pathlib import Path
from typing import Any

from vgmae_bench.errors import UnknownNameError
from vgmae_bench.plugins import suggestion

NAMES = {
    "bars": "headline claims: the relative gain as stated, as published between self-supervised methods, and as measured",
    "bars_audit": "every pair of values behind the headline claims",
    "thresholds": "position accuracy and Jaccard at 1 to 16 px",
    "clips": "two methods clip by clip: scatter plot and sorted differences",
    "occlusion": "accuracy against time since the query and since a point was hidden",
    "cost": "average Jaccard against milliseconds per frame and peak memory",
    "curves": "training: loss and zero-shot position accuracy over the steps",
}
"""Figures by name: `vgmae_bench.compare.plots.NAME` has a function `plot_NAME`."""


def make_plot(name: str, shown: Sequence[Any], **options: Any) -> Any:
    """The figure `name` as a `vgmae_bench.compare.plots.style.Plot`, in matplotlib's present style; see `save_plot`."""
    if name not in NAMES:
        raise UnknownNameError(f'There is no figure "{name}"', suggestion(name, NAMES), try_="vgmae-bench plot --help")
    module = importlib.import_module(f"vgmae_bench.compare.plots.{name}")
    return getattr(module, f"plot_{name}")(shown, **options)


def save_plot(name: str, shown: Sequence[Any], out: Path, *, width: float | None = None, **options: Any) -> list[Path]:
    """Make the figure `name` and write name.png, name.pdf and name.csv into `out`.

    Arguments:
        shown: runs from `select_runs`; folders of trainings for "curves".
        width: width of the figure in inches; by default 6.9, a page with two columns. One column is 3.3.
        options: `dataset`, for "bars" and "bars_audit": plot only these datasets.

    Returns:
        The three files.

    Raises:
        UnknownNameError: there is no figure with this name.
        UserError: the runs lack the data of the figure, or `out` cannot be written.
    """
    import matplotlib

    from vgmae_bench.compare.plots.style import RC, WIDTH

    style: Any = {**RC, "figure.figsize": (width or WIDTH, 4.0)}
    with matplotlib.rc_context(style):
        files: list[Path] = make_plot(name, shown, **options).save(out, name)
    return files
