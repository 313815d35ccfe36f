"""Predicts that every point stays at its query position. Every method must be better."""

import numpy as np
import numpy.typing as npt

from vgmae_bench import Queries, Tracks


class ZeroMotion:
    """A tracker that predicts the query position, visible, in every frame."""

    def track(self, frames: npt.NDArray[np.uint8], queries: Queries) -> Tracks:
        """See `vgmae_bench.types.Tracker.track`."""
        xy = np.repeat(queries.xy[:, None], len(frames), axis=1)
        return Tracks(xy=xy, visible=np.ones(xy.shape[:2], dtype=bool))
