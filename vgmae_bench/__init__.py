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
    "Clip": "types",
    "Dataset": "data.dataset",
    "DatasetSpec": "specs",
    "MethodSpec": "specs",
    "MetricSpec": "specs",
    "Queries": "types",
    "RemoteWeights": "specs",
    "Run": "api.run",
    "Runs": "api.runs",
    "StreamingTracker": "types",
    "Tracker": "types",
    "TrackerSpec": "specs",
    "Tracks": "types",
    "ask": "api.clips",
    "check": "api.check",
    "draw": "api.clips",
    "evaluate": "api.evaluate",
    "finetune": "api.training",
    "load_checkpoint": "models.checkpoint_content",
    "load_runs": "api.runs",
    "open_dataset": "api.clips",
    "published": "api.runs",
    "score": "api.clips",
    "to_video": "models.frames",
    "track": "api.clips",
    "train": "api.training",
}
"""The module of each public name."""
__all__ = sorted(_HOME)


def __getattr__(name: str) -> Any:
    if name not in _HOME:
        raise AttributeError(f"module {__name__!r} has no attribute {name!r}")
    return getattr(importlib.import_module(f"{__name__}.{_HOME[name]}"), name)


def __dir__() -> list[str]:
    return __all__
