"""Recognises common mistakes in predictions: wrong conventions of positions, inverted visibility, shifts in time."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Sequence
from typing import Any, NamedTuple

import numpy as np
import numpy.typing as npt

from vgmae_bench.resizing import Size
from vgmae_bench.types import BoolArray

Points = npt.NDArray[np.float64]


class Mistake(NamedTuple):
    """A common mistake.

    Attributes:
        name: a short description.
        wrong: wrong(xy, frame) returns the wrong positions for true positions, both float64 [N, 2]. `frame` is (W, H).
        mend: how to correct the mistake.
    """

    name: str
    wrong: Callable[[Points, Points], Points]
    mend: str


_SWAP = "positions are (x, y): exchange the two, [..., ::-1]"
_CENTRE = "pixel centres are at +0.5: subtract 0.5 from queries on the way in and add 0.5 to positions on the way out"
_SCALE = "positions are pixels of the frames: multiply by (W, H)"
_LAST = "the frame ends at (W, H), not at (W - 1, H - 1): multiply by W and H"
_HALF = "is it counted in another size of frame, or in every other frame?"

OF_POSITIONS = (
    Mistake("half a pixel too small (pixel centres at whole numbers)", lambda xy, frame: xy - 0.5, _CENTRE),
    Mistake("half a pixel too large", lambda xy, frame: xy + 0.5, _CENTRE),
    Mistake("(y, x) in place of (x, y)", lambda xy, frame: xy[:, ::-1], _SWAP),
    Mistake("(y, x), and half a pixel too small", lambda xy, frame: xy[:, ::-1] - 0.5, f"{_SWAP}; {_CENTRE}"),
    Mistake("fractions of the frame", lambda xy, frame: xy / frame, _SCALE),
    Mistake("fractions from -1 to 1", lambda xy, frame: 2 * xy / frame - 1, _SCALE),
    Mistake("scaled by (W - 1) / W", lambda xy, frame: xy * (1 - 1 / frame), _LAST),
    Mistake("scaled by W / (W - 1)", lambda xy, frame: xy / (1 - 1 / frame), _LAST),
    Mistake("pixels of a frame of 256 × 256", lambda xy, frame: xy * 256 / frame, "scale to the frames given"),
    Mistake("width and height exchanged in a scale", lambda xy, frame: xy * frame[::-1] / frame, _SCALE),
)
"""Mistakes in positions."""
OF_MOTION = (
    Mistake("(y, x) in place of (x, y)", lambda xy, frame: xy[:, ::-1], _SWAP),
    Mistake("the opposite direction", lambda xy, frame: -xy, "from a frame to the next, not back"),
    Mistake("twice the motion", lambda xy, frame: 2 * xy, "steps are added twice"),
    Mistake("half the motion", lambda xy, frame: xy / 2, _HALF),
    Mistake("fractions of the frame", lambda xy, frame: xy / frame, _SCALE),
)
"""Mistakes in displacements."""

INVERTED = 0.3
"""The mean of two shares: visible points called visible, hidden points called hidden. Below it, visibility looks inverted."""
_FEW = 5  # with fewer points, there is no finding
_MOVES, _OFF = 1.0, 0.5
"""In pixels. Points count if they move more than `_MOVES` in two frames. Tracks closer than `_OFF` to the truth are in time."""


def looks_inverted(visible: BoolArray, occluded: BoolArray, asked: BoolArray) -> bool:
    """Whether predicted visibility seems to be inverted.

    Every point is visible in its query frame. If most points are predicted hidden there, visibility is inverted. In other
    frames, the prediction is compared with the truth. Visible and hidden points have equal weight, and both must occur.
    A tracker that predicts all points visible, or all hidden, is therefore not reported.

    Arguments:
        visible: bool [N, T], the prediction.
        occluded: bool [N, T], the truth.
        asked: bool [N, T], true in the query frame of each point.
    """
    if asked.any() and visible[asked].mean() < 0.5:
        return True
    seen, hidden = visible[~asked & ~occluded], ~visible[~asked & occluded]
    return min(len(seen), len(hidden)) >= _FEW and bool(seen.mean() + hidden.mean() < 2 * INVERTED)


def clips_by(reasons: Iterable[tuple[str, str]]) -> dict[str, list[str]]:
    """Group clips by reason, from pairs (reason, clip). Clips with an empty reason are left out."""
    clips: dict[str, list[str]] = {}
    for reason, clip in reasons:
        if reason:
            clips.setdefault(reason, []).append(clip)
    return clips


def in_clips(clips: Sequence[str], number: int) -> str:
    """ "in 2 of 30 clips, the first is bear"."""
    return f"in {len(clips)} of {number} clips, the first is {clips[0]}"


def inverted_in(clips: Sequence[str], number: int) -> str:
    """The sentence about clips, out of `number`, whose visibility looks inverted."""
    return (
        f"visibility looks inverted {in_clips(clips, number)}: points are called hidden in their query frames, or mostly "
        "where they are visible"
    )


def shift_in_time(xy: npt.NDArray[Any], true: npt.NDArray[Any], visible: BoolArray) -> int:
    """1 if tracks are one frame late, -1 if they are one frame early, 0 otherwise.

    Arguments:
        xy, true: float [N, T, 2], predicted and true positions in pixels.
        visible: bool [N, T], true where the true position is known.
    """

    def off(late: int) -> float:
        """Median distance to the true positions `late` frames earlier. All values of `late` use the same frames."""
        frames = np.arange(1, xy.shape[1] - 1)
        known = visible[:, frames - 1] & visible[:, frames] & visible[:, frames + 1]
        known &= np.linalg.norm(true[:, frames + 1] - true[:, frames - 1], axis=-1) > _MOVES
        distance = np.linalg.norm(xy[:, frames] - true[:, frames - late], axis=-1)[known]
        return float(np.median(distance)) if len(distance) >= _FEW else np.inf

    with np.errstate(invalid="ignore"):
        now = off(0)
        return next((late for late in (1, -1) if now > _OFF and off(late) < now / 4), 0) if now < np.inf else 0


def explain(found: Points, true: Points, size: Size, mistakes: Sequence[Mistake], tolerance: float) -> Mistake | None:
    """The mistake that explains wrong positions or displacements; None if no mistake explains them.

    A mistake explains them if the positions that it predicts are close to those found: the median distance is below
    `tolerance`, below a quarter of the distance to the truth, and below a quarter of the predicted positions' length. The
    last two conditions exclude noise.

    Arguments:
        found: predictions of the tracker, float64 [N, 2], in pixels.
        true: the truth, float64 [N, 2], in pixels.
        size: (height, width) of the frames.
        mistakes: the mistakes to consider.
        tolerance: in pixels.
    """

    def off(expected: Points) -> float:
        return float(np.median(np.linalg.norm(found - expected, axis=-1)))

    frame = np.array(size[::-1], dtype=np.float64)
    best = min(mistakes, key=lambda mistake: off(mistake.wrong(true, frame)))
    expected = best.wrong(true, frame)
    left, length = off(expected), float(np.median(np.linalg.norm(expected, axis=-1)))
    return best if left < tolerance and left < min(off(true), length) / 4 else None
