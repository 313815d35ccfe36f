"""Plans runs of methods and datasets by name."""

from __future__ import annotations

from collections.abc import Mapping
from pathlib import Path
from typing import Any

from vgmae_bench.data.open import open_dataset
from vgmae_bench.evaluation import protocols
from vgmae_bench.evaluation.method import open_method
from vgmae_bench.evaluation.run import Plan, plan_of
from vgmae_bench.metrics.scored_tracks import QueryMode


def plan(
    method: str,
    dataset: str,
    *,
    query_mode: QueryMode | None = None,
    protocol: str | None = None,
    weights: str | None = None,
    settings: Mapping[str, Any] | None = None,
    dataset_settings: Mapping[str, Any] | None = None,
    data_root: Path | None = None,
    seed: int = 0,
    ask: str | None = None,
    **place: Any,
) -> Plan:
    """A plan as `vgmae-bench run` makes it, on the CPU. `place`: out, limit and shard of `plan_of`."""
    opened = open_method(method, weights=weights, settings=settings or {}, device="cpu", seed=seed, ask=ask)
    data = open_dataset(dataset, dataset_settings or {}, data_root)
    return plan_of(opened, data, protocols.find(protocol, query_mode), **place)
