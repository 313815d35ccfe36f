"""Measures the cost of a tracker at T and at 2 T frames, and forecasts it for each dataset.

`python -m vgmae_bench.conformance.cost` measures one clip in a separate process. It reads its arguments from stdin and
prints the result to stdout, both as JSON.
"""

from __future__ import annotations

import contextlib
import json
import subprocess
import sys
import time
from collections.abc import Iterator, Mapping
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import Any

import numpy as np

from vgmae_bench import plugins
from vgmae_bench.conformance.findings import Finding
from vgmae_bench.conformance.textures import affine, clip, points
from vgmae_bench.evaluation.method import Method, open_method
from vgmae_bench.provenance import peak_memory_mb
from vgmae_bench.types import Tracker

_SIDE, _QUERIES = 256, 20
"""Height and width of TAP-Vid's frames in pixels, and a typical number of points in its clips."""
_LONGEST = 300.0
"""Time limit of one measurement, in seconds."""


@dataclass(frozen=True)
class Measured:
    """The cost of one clip.

    Attributes:
        frames: T.
        seconds: wall-clock time.
        peak_mb: peak memory of the process in MB: main memory plus GPU memory.
    """

    frames: int
    seconds: float
    peak_mb: float


def cost(method: Method, asked: Mapping[str, Any] | None, frames: int = 8) -> Iterator[Finding]:
    """Seconds and memory at T and 2 T frames, with a forecast for each dataset.

    Arguments:
        method: the tracker.
        asked: arguments of `open_method`, for measuring in separate processes. None: the tracker is an object of this
            process, and is measured here.
        frames: T.
    """
    try:
        if asked is None:
            _ = measure(method.tracker, 2)  # the extra cost of the first call
            found = [measure(method.tracker, length) for length in (frames, 2 * frames)]
        else:
            found = [_elsewhere(asked, length) for length in (frames, 2 * frames)]
    except (subprocess.SubprocessError, ValueError, KeyError) as error:
        yield Finding("cost", "info", f"cannot tell: {type(error).__name__}: {str(error)[:120]}")
        return
    short, long = found
    where = "in this process" if asked is None else "each in a process of its own"
    yield Finding(
        "cost",
        "info",
        f"{short.frames} and {long.frames} frames of {_SIDE} × {_SIDE} px with {_QUERIES} queries, {where}: "
        f"{short.seconds:.2g} and {long.seconds:.2g} s, {short.peak_mb:.0f} and {long.peak_mb:.0f} MB",
    )
    forecasts = []
    for plugin in plugins.installed("datasets"):
        spec = plugin.spec
        if spec is not None and spec.clip_frames:
            one = forecast(short, long, spec.clip_frames)
            clips = spec.published_clips or 1
            total = f"{_duration(one.seconds * clips)} for {clips} clip{'s' * (clips > 1)}"
            forecasts.append(f"{plugin.name} {total}, {one.peak_mb / 1000:.1f} GB")
    yield Finding(
        "forecast",
        "info",
        "upper estimates for query mode first, if cost grows linearly with frames: " + "; ".join(forecasts),
    )


def forecast(short: Measured, long: Measured, frames: int) -> Measured:
    """The cost of a clip of `frames` frames, by linear extrapolation of time and memory."""
    steps = (frames - short.frames) / (long.frames - short.frames)

    def along(first: float, second: float) -> float:
        return max(first + steps * max(second - first, 0.0), 0.0)

    return Measured(frames, along(short.seconds, long.seconds), along(short.peak_mb, long.peak_mb))


def measure(tracker: Tracker, frames: int) -> Measured:
    """Track one clip in this process."""
    size = (_SIDE, _SIDE)
    video = clip([affine(size, move=(0.5 * t, 0.0)) for t in range(frames)], size)
    queries = points(_QUERIES, 0, size, seed=1)
    _reset_peak()
    start = time.perf_counter()
    tracker.track(video, queries)
    return Measured(frames, time.perf_counter() - start, peak_memory_mb())


def _elsewhere(asked: Mapping[str, Any], frames: int) -> Measured:
    """Measure in a separate process."""
    question = json.dumps({"asked": asked, "frames": frames}, default=str)
    done = subprocess.run(
        [sys.executable, "-m", __name__], input=question, capture_output=True, text=True, timeout=_LONGEST, check=True
    )
    return Measured(**json.loads(done.stdout.splitlines()[-1]))


def _reset_peak() -> None:
    """Reset the peak memory of this process, if the operating system can."""
    with contextlib.suppress(OSError):
        Path("/proc/self/clear_refs").write_text("5", encoding="ascii")
    torch = sys.modules.get("torch")
    if torch is not None and torch.cuda.is_available():
        torch.cuda.reset_peak_memory_stats()


def _duration(seconds: float) -> str:
    if seconds < 90:
        return f"{seconds:.2g} s"
    return f"{seconds / 60:.0f} min" if seconds < 5400 else f"{seconds / 3600:.1f} h"


def _main() -> None:
    question = json.load(sys.stdin)
    tracker = open_method(**question["asked"]).tracker
    measure(tracker, 2)
    print(json.dumps(asdict(measure(tracker, question["frames"]))))


if __name__ == "__main__":
    np.seterr(all="ignore")
    _main()
