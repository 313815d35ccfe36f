"""Perfect predictions for small clips, as another program would write them, and their scores."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import numpy as np

from vgmae_bench.data.open import open_dataset
from vgmae_bench.evaluation import protocols
from vgmae_bench.evaluation.other_programs.external import open_submission, score_submission
from vgmae_bench.evaluation.protocols import QuerySet
from vgmae_bench.evaluation.records.results import Summary
from vgmae_bench.evaluation.store import RunFolder

Clips = dict[str, dict[str, Any]]


SIZE = (48, 64)


def asked(root: Path, protocol: str = "tapvid-first") -> dict[str, QuerySet]:
    dataset = open_dataset("davis", root=root)
    chosen = protocols.find(protocol, None)
    return {name: next(protocols.query_sets(dataset.clip(name), chosen, blank=True))[1] for name in dataset.ids}


def truth(root: Path, protocol: str = "tapvid-first") -> Clips:
    """Perfect predictions in TAP-Vid's convention: [M, T, 2], (x, y) in pixels of 256 × 256, and occlusion."""
    return {
        name: {"tracks": query_set.target_xy[query_set.track], "occluded": query_set.target_occluded[query_set.track]}
        for name, query_set in asked(root, protocol).items()
    }


def save_npz(path: Path, clips: Clips) -> Path:
    np.savez(path, **{f"{clip}/{name}": array for clip, arrays in clips.items() for name, array in arrays.items()})
    return path


def score(path: Path, root: Path, name: str = "theirs", **options: Any) -> tuple[RunFolder, Summary]:
    return score_submission(open_submission(path, "davis", data_root=root, **options), name, Path("scored"))


def perfect(path: Path, root: Path, **options: Any) -> bool:
    metrics = score(path, root, **options)[1].metrics
    return all(metrics[name].mean == 1 for name in ("average_jaccard", "occlusion_accuracy"))
