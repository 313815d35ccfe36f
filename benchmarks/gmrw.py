"""Measures time and memory of chained tracking with GMRW on this CPU, compared with a direct form of the published code.

    python benchmarks/gmrw.py            a table
    python benchmarks/gmrw.py --json     the same numbers for programs

Both track the same points through the same clip with the same network of the released size (random weights: they change
neither time nor memory) at upsample 1. "published" is tests/baselines/gmrw/published.py: two passes for each pair of frames,
explicit attention matrices under a mask, the transition matrix written out, flow kept at every pixel. The 256-pixel clip
has 8 frames; the 512-pixel one has 2, enough for the peak of memory. Every measurement is a process of its own, and the two
forms take turns. Times are medians of seconds on the clock, and of seconds of all threads, which what else the machine does
hardly changes. Memory is the highest a process held, and how far tracking lifted it. That both forms give the same tracks is
tested in tests/baselines/gmrw/test_tracker.py.
"""

from __future__ import annotations

import argparse
import json
import os
import subprocess
import sys
import time
from collections.abc import Callable
from pathlib import Path
from statistics import median

os.environ.setdefault("OMP_WAIT_POLICY", "passive")  # spinning threads slow other processes down
sys.path.insert(0, str(Path(__file__).parents[1]))

import numpy as np
import numpy.typing as npt
import torch
from form import in_form
from splatting import peak_mb
from vgmae_baselines.gmrw.matching import prepare
from vgmae_baselines.gmrw.network import GMRW, SIZES
from vgmae_baselines.gmrw.tracker import GMRWConfig, GMRWTracker

from tests.baselines.gmrw import published
from vgmae_bench.resizing import resize_frames
from vgmae_bench.types import Queries

FRAMES = {256: 8, 512: 2}
POINTS = 64
FORMS = ("ours", "published")
COLUMNS = {"seconds": "clock s", "cpu_seconds": "threads s", "extra_mb": "lifted by MB", "peak_mb": "peak MB"}
Track = Callable[[npt.NDArray[np.uint8], Queries], npt.NDArray[np.float32]]


def clip(frames: int, size: int) -> npt.NDArray[np.uint8]:
    """uint8 [T, size, size, 3]: a random texture that moves by two pixels a frame."""
    coarse = np.random.default_rng(0).integers(0, 256, (1, size // 8, size // 8, 3), dtype=np.uint8)
    side = size + 2 * frames
    texture = resize_frames(coarse, (side, side))[0]
    return np.stack([texture[2 * t : 2 * t + size, 2 * t : 2 * t + size] for t in range(frames)])


def questions(frames: int, size: int) -> Queries:
    generator = np.random.default_rng(1)
    return Queries(generator.integers(0, frames, POINTS), generator.uniform(0, size, (POINTS, 2)).astype(np.float32))


def tracker(form: str) -> Track:
    """A function from frames and queries to positions [N, T, 2]. Both forms interpolate the flow in the official way."""
    if form == "ours":
        config = GMRWConfig("released", upsample=1, preset="official", input_range="correct")
        ours = GMRWTracker(config, None, "cpu", seed=0)
        return lambda frames, queries: ours.track(frames, queries).xy
    torch.manual_seed(0)
    network = GMRW(SIZES["released"]).eval()

    @torch.inference_mode()
    def theirs(frames: npt.NDArray[np.uint8], queries: Queries) -> npt.NDArray[np.float32]:
        images = torch.cat([prepare(torch.from_numpy(frame), 1, "correct") for frame in frames])
        xy, _ = published.track(
            network, images, torch.from_numpy(queries.frame), torch.from_numpy(queries.xy), threshold=3
        )
        return np.asarray(xy.numpy())

    return theirs


def measure_form(form: str, size: int) -> dict[str, float]:
    """Time and memory of one clip in this process, after a warm-up. The process must do nothing else."""
    track = tracker(form)
    track(clip(2, 32), questions(2, 32))
    frames, queries = clip(FRAMES[size], size), questions(FRAMES[size], size)
    before, start, start_cpu = peak_mb(), time.perf_counter(), time.process_time()
    track(frames, queries)
    seconds, cpu_seconds = time.perf_counter() - start, time.process_time() - start_cpu
    return {"seconds": seconds, "cpu_seconds": cpu_seconds, "extra_mb": peak_mb() - before, "peak_mb": peak_mb()}


def in_new_process(form: str, size: int, threads: int) -> dict[str, float]:
    command = [sys.executable, __file__, "--form", form, "--size", str(size), "--threads", str(threads)]
    done = subprocess.run(command, check=True, capture_output=True, text=True)
    return {str(key): float(value) for key, value in json.loads(done.stdout).items()}


def measure(repeats: int, say: Callable[[str], None]) -> dict[str, object]:
    result: dict[str, object] = {}
    for size, frames in FRAMES.items():
        found: dict[str, list[dict[str, float]]] = {form: [] for form in FORMS}
        for turn in range(repeats if size == min(FRAMES) else 1):
            for form in FORMS:
                one = in_new_process(form, size, torch.get_num_threads())
                found[form].append(one)
                told = ", ".join(f"{title} {one[key]:.1f}" for key, title in COLUMNS.items())
                say(f"{frames} frames of {size} px, {form}, turn {turn + 1}: {told}")
        medians = {form: {key: median(one[key] for one in all_) for key in all_[0]} for form, all_ in found.items()}
        ours, theirs = (medians[form] for form in FORMS)
        ratios = {key: theirs[key] / ours[key] for key in COLUMNS}
        result[str(size)] = {**medians, "published / ours": ratios}
    load = [round(one, 2) for one in os.getloadavg()]
    result["notes"] = {"threads": torch.get_num_threads(), "turns": repeats, "load_average": load}
    return result


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--json", action="store_true", help="print JSON on standard output")
    parser.add_argument("--threads", type=int, default=torch.get_num_threads(), help="default: torch's")
    parser.add_argument("--repeats", type=int, default=1, help="turns of the 256-pixel clip")
    parser.add_argument("--form", choices=FORMS, help=argparse.SUPPRESS)
    parser.add_argument("--size", type=int, choices=list(FRAMES), help=argparse.SUPPRESS)
    arguments = parser.parse_args()
    torch.set_num_threads(arguments.threads)
    if arguments.form:
        print(json.dumps(measure_form(arguments.form, arguments.size)))
        return
    result = measure(arguments.repeats, lambda text: print(text, file=sys.stderr))
    if arguments.json:
        print(in_form("gmrw", result))
        return
    print(f"{'px':>4} {'':16}", "".join(f"{title:>14}" for title in COLUMNS.values()))
    for size in FRAMES:
        rows = result[str(size)]
        assert isinstance(rows, dict)
        for name, row in rows.items():
            print(f"{size:>4} {name:16}", "".join(f"{row[key]:>14.1f}" for key in COLUMNS))
    print(result["notes"])


if __name__ == "__main__":
    main()
