"""Doubts about predictions of another program: values that can be read but are probably not what the author meant."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np
import numpy.typing as npt

from vgmae_bench.coordinates import rescale
from vgmae_bench.evaluation.other_programs.convention import Convention
from vgmae_bench.evaluation.protocols import EvalProtocol, QuerySet
from vgmae_bench.types import FloatArray, Size, Tracks

FAR = 4.0
"""In pixels of the metric raster. A point farther than this from its query, in the query frame, is off its query."""
HALF_PIXEL = (0.4, 0.6)
"""An offset in this range counts as half a pixel, in pixels of the frames that the file counts in."""


@dataclass(frozen=True)
class ClipLook:
    """The points of a clip in their query frames.

    Attributes:
        clip: the clip's id.
        offset: float [M, 2], position minus query in pixels of the frames that the file counts in; None if the file
            holds fractions of the frame.
        off: bool [M], whether the point is farther than `FAR` from its query.
        visible: bool [M], whether the point is predicted visible.
        agreement: the share of (point, frame) pairs whose visibility agrees with the truth; NaN without points.
    """

    clip: str
    offset: FloatArray | None
    off: npt.NDArray[np.bool_]
    visible: npt.NDArray[np.bool_]
    agreement: float


def look(
    clip: str, query_set: QuerySet, tracks: Tracks, convention: Convention, source: Size, protocol: EvalProtocol
) -> ClipLook:
    """Describe every point of a clip in its query frame. `source` is the (height, width) of the clip's own frames."""
    row, frame = np.arange(len(query_set.queries)), query_set.queries.frame
    difference = tracks.xy[row, frame].astype(np.float64) - query_set.queries.xy
    distance = np.linalg.norm(rescale(difference, protocol.input_size, protocol.metric_size), axis=-1)
    size = convention.size(source)
    agreement = tracks.visible == ~query_set.target_occluded[query_set.track]
    return ClipLook(
        clip=clip,
        offset=None if size == (1, 1) else rescale(difference, protocol.input_size, size),
        off=~(distance <= FAR),
        visible=tracks.visible[row, frame],
        agreement=float(agreement.mean()) if agreement.size else np.nan,
    )


def doubts(looks: Sequence[ClipLook]) -> list[str]:
    """What looks wrong, one sentence each: points far from their queries, inverted visibility, half-pixel offsets.

    Every clip and every point counts. A single clip that differs from all others is named.
    """
    return [
        *_off(looks),
        *_inverted(looks),
        *_half_pixel(looks),
    ]


def _off(looks: Sequence[ClipLook]) -> list[str]:
    found = {one.clip: int(one.off.sum()) for one in looks if one.off.any()}
    if not found:
        return []
    points = sum(len(one.off) for one in looks)
    worst = max(found, key=lambda clip: found[clip])
    return [
        f"{sum(found.values())} of {points} points are more than {FAR:g} px from their query in its frame, in "
        f"{len(found)} of {len(looks)} clips; most of them in {worst} ({found[worst]})"
    ]


def _inverted(looks: Sequence[ClipLook]) -> list[str]:
    """Every point is visible in its query frame. Predictions that say otherwise are probably inverted."""
    found = [one for one in looks if len(one.visible) and one.visible.mean() < 0.5 and one.agreement < 0.5]
    if not found:
        return []
    return [
        f"visibility looks inverted in {len(found)} of {len(looks)} clips, the first is {found[0].clip}: most points are "
        f"called hidden in their query frames, and {100 * found[0].agreement:.0f} % of all frames agree with the truth"
    ]


def _half_pixel(looks: Sequence[ClipLook]) -> list[str]:
    found = []
    for one in looks:
        kept = one.offset[~one.off] if one.offset is not None else np.empty((0, 2))
        if len(kept):
            shift = np.median(kept, axis=0)
            spread = np.median(np.abs(kept - shift))
            if all(HALF_PIXEL[0] <= abs(value) <= HALF_PIXEL[1] for value in shift) and spread < 0.1:
                found.append((one.clip, shift))
    if not found:
        return []
    clip, (x, y) = found[0]
    return [
        f"positions are half a pixel off in {len(found)} of {len(looks)} clips, the first is {clip} ({x:+.2f}, {y:+.2f} px): "
        "pixel centres are at .5 here, and at whole numbers in many programs"
    ]
