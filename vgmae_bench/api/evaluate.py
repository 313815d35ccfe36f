"""One run from Python: predict, score and store the tracks of a method on a dataset."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from pathlib import Path
from typing import Any

from vgmae_bench.api.objects import AnyDataset, AnyMethod, dataset_of, method_of
from vgmae_bench.api.run import Run
from vgmae_bench.evaluation import protocols
from vgmae_bench.evaluation.run import Plan, Redo, execute, plan_of


def evaluate(
    method: AnyMethod,
    dataset: AnyDataset,
    *,
    protocol: str = "tapvid-first",
    weights: str | Path | None = None,
    settings: Mapping[str, Any] | None = None,
    dataset_settings: Mapping[str, Any] | None = None,
    name: str | None = None,
    causal: bool = False,
    out: str | Path = "results",
    data_root: str | Path | None = None,
    limit: int | None = None,
    shard: tuple[int, int] | None = None,
    device: str = "auto",
    seed: int = 0,
    redo: Redo = "nothing",
    figures: int = 0,
    allow_nonfinite: bool = False,
    ask: str | None = None,
    command: str = "",
    on_plan: Callable[[Plan], None] = lambda plan: None,
) -> Run:
    """Track a dataset with a method, score the tracks, and keep both in a results folder.

    Existing predictions are not computed again. Several processes can work on one run.

    Arguments:
        method: a name, `file.py:Class`, a tracker, or a class that makes one.
        dataset: a name, `file.py:Class`, a dataset (`vgmae_bench.Dataset`), or a list of `Clip` objects.
        protocol: "tapvid-first", "tapvid-strided" or "videogmae-release".
        weights: a name that the method knows, a file, or "random"; None: its default ones.
        settings: of the method, see `vgmae-bench show NAME`.
        dataset_settings: of a dataset that is given by name.
        name: the run's name in tables; None: the method with its weights.
        causal: for a tracker or a class: it tracks forward in time only. The harness then runs it on the reversed clip for
            the frames before a query.
        out: the results folder.
        data_root: folder of the datasets; None: the usual one.
        limit: predict only this many clips, from the start.
        shard: (i, n): predict every n-th clip only, beginning with clip i modulo n.
        device: "auto", "cpu" or "cuda".
        seed: for methods that draw random numbers.
        redo: "predictions" or "all" predicts everything again; "metrics" only scores.
        figures: draw the tracks of this many clips, from the start.
        allow_nonfinite: accept infinite and NaN positions; otherwise, clips with such positions fail.
        ask: "single", "frame" or "all" queries in a call, or "all:64" for at most 64; None: one at a time if the method's
            queries are joint, otherwise all.
        command: the command that was typed, for the record.
        on_plan: called with the plan before the work.

    Returns:
        The run. Clips that failed are in `run.summary.failures`.

    Raises:
        UserError: the method or the dataset cannot be found, opened or built, or results cannot be written.
    """
    chosen = protocols.find(protocol, None)
    used = method_of(method, weights=weights, settings=settings, device=device, seed=seed, causal=causal, ask=ask)
    opened = dataset_of(dataset, settings=dataset_settings, data_root=data_root)
    planned = plan_of(used, opened, chosen, out=Path(out), limit=limit, shard=shard, name=name or "")
    on_plan(planned)
    execute(planned, redo=redo, figures=figures, command=command, allow_nonfinite=allow_nonfinite)
    return Run(planned.folder, opened)
