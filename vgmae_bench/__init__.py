"""vgmae-bench: how well do self-supervised video models track points?

    import vgmae_bench as vb

    run = vb.evaluate("lucas-kanade", "warp")         # tracks and scores all clips; also accepts your own class
    runs = vb.load_runs("results/reference", dataset="warp") + [run]
    print(runs.table())
    print(runs.compare(run, "zero-motion"))

The package imports its names at first use, so that `import vgmae_bench` is fast.
"""

from __future__ import annotations

import importlib
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from vgmae_bench.api.check import check as check
    from vgmae_bench.api.clips import ask as ask
    from vgmae_bench.api.clips import draw as draw
    from vgmae_bench.api.clips import open_dataset as open_dataset
    from vgmae_bench.api.clips import score as score
    from vgmae_bench.api.clips import track as track
    from vgmae_bench.api.evaluate import evaluate as evaluate
    from vgmae_bench.api.run import Run as Run
    from vgmae_bench.api.runs import Runs as Runs
    from vgmae_bench.api.runs import load_runs as load_runs
    from vgmae_bench.api.runs import published as published
    from vgmae_bench.api.training import finetune as finetune
    from vgmae_bench.api.training import train as train
    from vgmae_bench.data.dataset import Dataset as Dataset
    from vgmae_bench.models.checkpoint_content import load_checkpoint as load_checkpoint
    from vgmae_bench.models.frames import to_video as to_video
    from vgmae_bench.specs import DatasetSpec as DatasetSpec
    from vgmae_bench.specs import MethodSpec as MethodSpec
    from vgmae_bench.specs import MetricSpec as MetricSpec
    from vgmae_bench.specs import RemoteWeights as RemoteWeights
    from vgmae_bench.specs import TrackerSpec as TrackerSpec
    from vgmae_bench.types import Clip as Clip
    from vgmae_bench.types import Queries as Queries
    from vgmae_bench.types import StreamingTracker as StreamingTracker
    from vgmae_bench.types import Tracker as Tracker
    from vgmae_bench.types import Tracks as Tracks

__version__ = "0.1.0"

_HOME = {
    "api.check": ("check",),
    "api.clips": ("ask", "draw", "open_dataset", "score", "track"),
    "api.evaluate": ("evaluate",),
    "api.run": ("Run",),
    "api.runs": ("Runs", "load_runs", "published"),
    "api.training": ("finetune", "train"),
    "data.dataset": ("Dataset",),
    "models.checkpoint_content": ("load_checkpoint",),
    "models.frames": ("to_video",),
    "specs": ("DatasetSpec", "MethodSpec", "MetricSpec", "RemoteWeights", "TrackerSpec"),
    "types": ("Clip", "Queries", "StreamingTracker", "Tracker", "Tracks"),
}
"""The public names of each module."""
_MODULES = {name: module for module, names in _HOME.items() for name in names}
__all__ = sorted(_MODULES)


def __getattr__(name: str) -> Any:
    if name not in _MODULES:
        raise AttributeError(f"module {__name__!r} has no attribute {name!r}")
    return getattr(importlib.import_module(f"{__name__}.{_MODULES[name]}"), name)


def __dir__() -> list[str]:
    return __all__
