"""Finds suspicious values in predictions of another program: they can be read, but are probably mistakes."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np

from vgmae_bench.evaluation.mistakes import (
    OF_POSITIONS,
    Mistake,
    clips_by,
    explain,
    in_clips,
    inverted_in,
    looks_inverted,
    shift_in_time,
)
from vgmae_bench.evaluation.other_programs.convention import Convention
from vgmae_bench.evaluation.protocols import EvalProtocol, QuerySet
from vgmae_bench.types import FloatArray, Size, Tracks, rescale

FAR = 4.0
"""In pixels of the metric raster. In the query frame, a point farther than this from its query is off its query."""
_NEAR, _TIMES = 1.0, 10
"""If most points are close to their queries, the limit is lower: `_TIMES` × the median distance, at least `_NEAR` pixels."""
_CLOSE = 0.25
"""In pixels. A mistake explains a clip if it leaves a smaller median distance."""


@dataclass(frozen=True)
class ClipLook:
    """The points of a clip in their query frames.

    Attributes:
        clip: the clip's id.
        distance: float [M], from each point to its query, in pixels of the metric raster.
        mistake: the mistake that explains wrong positions; None if they are right, or if no known mistake explains them.
        inverted: whether visibility looks inverted.
        coarse: the dtype of the file's positions if it is float16 or an integer; empty for others.
        shifted: 1 if the tracks are one frame late, -1 if they are one frame early, 0 otherwise.
    """

    clip: str
    distance: FloatArray
    mistake: Mistake | None
    inverted: bool
    coarse: str = ""
    shifted: int = 0


def look(
    clip: str,
    query_set: QuerySet,
    tracks: Tracks,
    convention: Convention,
    source: Size,
    protocol: EvalProtocol,
    coarse: str = "",
) -> ClipLook:
    """Examine the predictions for one query set of a clip.

    Arguments:
        source: the (height, width) of the clip's own frames.
        coarse: the dtype of the file's positions if it is float16 or an integer; empty for others.
    """
    queries = query_set.queries
    row, frame = np.arange(len(queries)), queries.frame
    found, asked = tracks.xy[row, frame].astype(np.float64), queries.xy.astype(np.float64)
    counted = convention.size(source)
    sizes = [counted] if counted != (1, 1) else list(dict.fromkeys((source, protocol.input_size)))
    return ClipLook(
        clip=clip,
        distance=np.linalg.norm(rescale(found - asked, protocol.input_size, protocol.metric_size), axis=-1),
        mistake=next(filter(None, (_mistake(found, asked, size, source, protocol) for size in sizes)), None),
        inverted=looks_inverted(
            tracks.visible,
            query_set.target_occluded[query_set.track],
            np.arange(tracks.visible.shape[1]) == frame[:, None],
        ),
        coarse=coarse,
        shifted=shift_in_time(
            rescale(tracks.xy, protocol.input_size, protocol.metric_size),
            query_set.target_xy[query_set.track],
            ~query_set.target_occluded[query_set.track],
        ),
    )


def _mistake(found: FloatArray, asked: FloatArray, size: Size, source: Size, protocol: EvalProtocol) -> Mistake | None:
    """The mistake that explains positions in the tracker's input, if the file counts pixels of frames of `size`."""
    if not len(found):
        return None
    ours = protocol.input_size
    across, down = source[1] / size[1], source[0] / size[0]
    own = Mistake("pixels of the clip's own frames", lambda xy, _: xy * [across, down], "scale them")
    placed, true = (np.asarray(rescale(xy, ours, size), dtype=np.float64) for xy in (found, asked))
    return explain(placed, true, size, (*OF_POSITIONS, own), _CLOSE)


def doubts(looks: Sequence[ClipLook]) -> list[str]:
    """What looks wrong, one sentence each. A single wrong clip, or a single point off its query, is enough."""
    number = len(looks)
    mistakes = clips_by((f"{one.mistake.name}; {one.mistake.mend}", one.clip) for one in looks if one.mistake)
    found = [f"{in_clips(clips, number)}, positions look like this mistake: {name}" for name, clips in mistakes.items()]
    found += _off(looks)
    if inverted := [one.clip for one in looks if one.inverted]:
        found.append(inverted_in(inverted, number))
    for dtype, clips in clips_by((one.coarse, one.clip) for one in looks).items():
        steps = "which has steps of an eighth of a pixel between 128 and 256" if dtype == "float16" else "whole pixels"
        found.append(f"positions are {dtype} {in_clips(clips, number)}: {steps}; save float32")
    for shifted, word, other in ((1, "late", "before"), (-1, "early", "after")):
        if clips := [one.clip for one in looks if one.shifted == shifted]:
            told = f"they fit the true tracks of the frame {other}"
            found.append(f"tracks are a frame {word} {in_clips(clips, number)}: {told}")
    return found


def _off(looks: Sequence[ClipLook]) -> list[str]:
    """Points far from their queries, without the clips that a mistake explains."""
    if not any(len(one.distance) for one in looks):
        return []
    typical = float(np.median(np.concatenate([one.distance for one in looks])))
    far = min(FAR, max(_NEAR, _TIMES * typical))
    found = {one.clip: off for one in looks if one.mistake is None and (off := int((~(one.distance <= far)).sum()))}
    if not found:
        return []
    points = sum(len(one.distance) for one in looks)
    worst = max(found, key=lambda clip: found[clip])
    return [
        f"{sum(found.values())} of {points} points are more than {far:g} px from their query in its frame, in "
        f"{len(found)} of {len(looks)} clips; most of them in {worst} ({found[worst]})"
    ]
