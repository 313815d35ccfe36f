"""vgmae-bench: how well do self-supervised video models track points?

The public names below are imported when first used, so that `import vgmae_bench` costs nothing.
"""

from __future__ import annotations

import importlib
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from vgmae_bench.data.dataset import Dataset as Dataset
    from vgmae_bench.specs import DatasetSpec as DatasetSpec
    from vgmae_bench.specs import MethodSpec as MethodSpec
    from vgmae_bench.specs import MetricSpec as MetricSpec
    from vgmae_bench.specs import TrackerSpec as TrackerSpec
    from vgmae_bench.types import Clip as Clip
    from vgmae_bench.types import Queries as Queries
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
    "Tracker": "types",
    "TrackerSpec": "specs",
    "Tracks": "types",
}
__all__ = sorted(_HOME)


def __getattr__(name: str) -> Any:
    if name not in _HOME:
        raise AttributeError(f"module {__name__!r} has no attribute {name!r}")
    return getattr(importlib.import_module(f"{__name__}.{_HOME[name]}"), name)


def __dir__() -> list[str]:
    return sorted([*globals(), *_HOME])
