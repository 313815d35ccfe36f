"""Reads files of other evaluators: torch files of tracks. Refuses JSON files of averages, which contain no tracks."""

from __future__ import annotations

import json
import pickle
import zipfile
from collections.abc import Mapping
from pathlib import Path
from typing import Any

import numpy as np

from vgmae_bench.errors import BadDataError, UntrustedFileError

AVERAGES = {"average_jaccard": "AJ", "average_pts_within_thresh": "δ_avg", "occlusion_accuracy": "OA"}
"""Names of averages in the files of CoTracker's evaluator (and in tapnet's metrics), and their usual abbreviations."""


def is_torch(path: Path) -> bool:
    """Whether a zip file was written by `torch.save`."""
    with zipfile.ZipFile(path) as archive:
        return any(name.endswith("data.pkl") for name in archive.namelist())


def read_torch(path: Path) -> Any:
    """Read a torch file, with arrays in place of tensors. Nothing in the file is executed.

    A pair of positions [..., 2] and visibility becomes a dictionary. Trackers return such pairs.

    Raises:
        UntrustedFileError: the file contains more than tensors and plain data.
    """
    import torch

    try:
        content = _arrays(torch.load(path, map_location="cpu", weights_only=True))
    except pickle.UnpicklingError as error:  # its text advises to load the file unsafely
        raise UntrustedFileError(
            f"{path} is not read: it holds more than tensors and plain data",
            "such a file can execute code; nothing in it was executed",
            try_="torch.save of a dictionary of tensors",
        ) from error
    if isinstance(content, list) and len(content) == 2 and all(isinstance(part, np.ndarray) for part in content):
        return {"pred_tracks": content[0], "pred_visibility": content[1]}
    return content


def refuse_averages(path: Path) -> None:
    """Raise BadDataError if the file is JSON with an evaluator's averages. The message says which file is needed instead."""
    try:
        content = json.loads(path.read_text(encoding="utf-8"))
    except (OSError, ValueError):
        return
    told = content.get("avg", content) if isinstance(content, Mapping) else {}
    values = {
        AVERAGES[name]: value for name, value in told.items() if name in AVERAGES and isinstance(value, int | float)
    }
    if not values:
        return
    factor, unit = (1, "percent") if max(values.values()) > 1 else (100, "fractions")
    numbers = ", ".join(f"{name} {factor * value:.2f}" for name, value in values.items())
    raise BadDataError(
        f"{path} holds averages over clips, and no tracks",
        f"{numbers} (in percent; the file has {unit}). Such a file (result_eval_.json of CoTracker) does not tell the clips "
        "and the query mode",
        try_="torch.save of the evaluator's pred_tracks and pred_visibility for each clip, and the folder in place of the file",
    )


def _arrays(value: Any) -> Any:
    if isinstance(value, Mapping):
        return {str(name): _arrays(part) for name, part in value.items()}
    if isinstance(value, list | tuple):
        return [_arrays(part) for part in value]
    return value.detach().cpu().numpy() if hasattr(value, "detach") else value
