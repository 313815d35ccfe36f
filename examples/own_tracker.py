"""Evaluates a short tracker on `warp` and compares it with the reference runs of this repository."""

from itertools import pairwise
from pathlib import Path

import cv2
import numpy as np

import vgmae_bench as vb


class Pan:
    """Moves all points by the shift of the whole frame, which phase correlation estimates."""

    def track(self, frames, queries):
        shifts = [cv2.phaseCorrelate(here, there)[0] for here, there in pairwise(frames.mean(axis=3))]
        path = np.cumsum([(0.0, 0.0), *shifts], axis=0)
        xy = queries.xy[:, None] + path - path[queries.frame][:, None]
        return vb.Tracks(xy, ((xy >= 0) & (xy < frames.shape[2:0:-1])).all(axis=-1))


reference = Path(__file__).parent.parent / "results" / "reference"
run = vb.evaluate(Pan, "warp")
runs = vb.load_runs(reference, dataset="warp", protocol="tapvid-first") + [run]
print(runs.table())
print(runs.compare(run, "zero-motion"))
