"""Draws predicted tracks over frames of a run's first clips."""

from __future__ import annotations

from collections.abc import Sequence
from functools import partial
from pathlib import Path

from PIL import Image

from vgmae_bench.data.dataset import Dataset
from vgmae_bench.evaluation.protocols import EvalProtocol, query_sets
from vgmae_bench.evaluation.store import RunFolder
from vgmae_bench.files import write_atomically
from vgmae_bench.viz.draw import contact_sheet


def draw_clips(folder: RunFolder, dataset: Dataset, clip_ids: Sequence[str], protocol: EvalProtocol) -> list[Path]:
    """Draw the given clips that have a prediction to figures/<clip>.jpg. Hidden points are hollow.

    A picture shows the clip's first query set, and of it the queries in the earliest query frame.

    Returns:
        The paths of the pictures.
    """
    drawn = []
    for clip_id in clip_ids:
        picture = folder.picture(clip_id)
        answered = folder.read_prediction(clip_id) if folder.has_prediction(clip_id) else []
        if not answered:
            continue
        query_set, tracks = answered[0]
        frames, _ = next(query_sets(dataset.clip(clip_id), protocol))
        shown = query_set.queries.frame == query_set.queries.frame.min()
        sheet = contact_sheet(frames, tracks[shown])
        picture.parent.mkdir(exist_ok=True)
        write_atomically(picture, partial(Image.fromarray(sheet).save, format="JPEG", quality=88))
        drawn.append(picture)
    return drawn
