"""Measures how long a tracker waits for frames: the loop of `vgmae-bench run` compared with a plain loop.

    python benchmarks/evaluation.py                          a table
    python benchmarks/evaluation.py --json                   the same numbers for programs
    python benchmarks/evaluation.py --clips 4 --frames 250   clips as long as those of Kinetics

Clips are 720p JPEG files of moving textures. A tracker that sleeps for 0, 5 or 20 ms per frame simulates one on a GPU. The
plain loop is that of the reference reader: it decodes a clip, resizes it with Pillow, then tracks it. The loop of the harness
reads with 1 and 2 threads. The loops alternate within one process; numbers are medians. "waits" is the share of the time in
which the tracker has nothing to do. The benchmark checks that all loops give the same predictions. Memory is the peak of a
separate process, in which the harness reads clips with 2 threads.
"""

from __future__ import annotations

import argparse
import hashlib
import io
import json
import os
import subprocess
import sys
import tempfile
import time
from collections.abc import Iterator
from pathlib import Path
from statistics import median

sys.path.insert(0, str(Path(__file__).parents[1]))

import numpy as np
import numpy.typing as npt
from form import in_form
from PIL import Image

from vgmae_bench.ahead import THREADS
from vgmae_bench.data.video.frames import decode_frames
from vgmae_bench.evaluation import protocols
from vgmae_bench.evaluation.asking import Asking
from vgmae_bench.evaluation.predict import predict
from vgmae_bench.evaluation.store import RunFolder
from vgmae_bench.provenance import peak_memory_mb
from vgmae_bench.resizing import resize_frames
from vgmae_bench.types import Clip, Queries, Tracks

HEIGHT, WIDTH = 720, 1280
PER_FRAME = (0, 5, 20)
PROTOCOL = protocols.find("tapvid-first", None)


class Sleeper:
    """A tracker that takes a given time. Its tracks depend on every pixel."""

    def __init__(self, milliseconds: float) -> None:
        self.seconds, self._each = 0.0, milliseconds / 1e3

    def track(self, frames: npt.NDArray[np.uint8], queries: Queries) -> Tracks:
        start = time.perf_counter()
        if self._each:
            time.sleep(self._each * len(frames))
        self.seconds += time.perf_counter() - start
        means = frames.mean(axis=(1, 2))[:, :2]
        shape = (len(queries), len(frames))
        return Tracks(np.broadcast_to(means, (*shape, 2)), np.ones(shape, dtype=bool))


class Clips:
    """A dataset of JPEG files in memory."""

    digest = "benchmark"

    def __init__(self, count: int, frames: int) -> None:
        self.ids = [f"clip{number}" for number in range(count)]
        self._jpegs = {name: jpegs(seed, frames) for seed, name in enumerate(self.ids)}

    def clip(self, clip_id: str) -> Clip:
        stored = self._jpegs[clip_id]
        rng = np.random.default_rng(len(stored))
        return Clip(
            id=clip_id,
            size=(HEIGHT, WIDTH),
            points=rng.random((8, len(stored), 2)),
            occluded=np.zeros((8, len(stored)), dtype=bool),
            read=lambda: decode_frames(stored),
            part=lambda start, stop: decode_frames(stored[start:stop]),
            parallel=True,
        )


def moving_texture(seed: int, frames: int) -> Iterator[npt.NDArray[np.uint8]]:
    """Frames uint8 [HEIGHT, WIDTH, 3] of a texture that moves by two pixels a frame."""
    coarse = np.random.default_rng(seed).integers(0, 256, (1, HEIGHT // 8, WIDTH // 8, 3), dtype=np.uint8)
    texture = resize_frames(coarse, (HEIGHT, WIDTH + 2 * frames))[0]
    return (texture[:, 2 * t : 2 * t + WIDTH] for t in range(frames))


def jpegs(seed: int, frames: int) -> list[bytes]:
    files = []
    for frame in moving_texture(seed, frames):
        buffer = io.BytesIO()
        Image.fromarray(frame).save(buffer, "JPEG", quality=90)
        files.append(buffer.getvalue())
    return files


def plain(clips: Clips, tracker: Sleeper) -> str:
    """The reference reader's loop. Returns a digest of the tracks."""
    digest = hashlib.sha256()
    for name in clips.ids:
        clip = clips.clip(name)
        frames = resize_frames(clip.read(), PROTOCOL.input_size)
        for _, asked in protocols.query_sets(clip, PROTOCOL, blank=True):
            digest.update(tracker.track(frames, asked.queries).xy.tobytes())
    return digest.hexdigest()


def harness(clips: Clips, tracker: Sleeper) -> str:
    """The loop of `vgmae-bench run`. Returns a digest of the tracks."""
    digest = hashlib.sha256()
    with tempfile.TemporaryDirectory() as path:
        folder = RunFolder(Path(path))
        folder.create()
        predict(tracker, clips, clips.ids, PROTOCOL, folder, how=Asking())
        for name in clips.ids:
            for _, tracks in folder.read_prediction(name):
                digest.update(tracks.xy.tobytes())
    return digest.hexdigest()


def measure(clips: Clips, turns: int) -> dict[str, dict[str, dict[str, float]]]:
    """Clips per second and the share of waiting, by tracker and loop."""
    found: dict[str, dict[str, list[tuple[float, float]]]] = {}
    answers = set()
    for _ in range(turns):
        for each in PER_FRAME:
            for name in ("plain", "1 thread", "2 threads"):
                os.environ[THREADS] = name[0] if name != "plain" else "0"
                tracker = Sleeper(each)
                start = time.perf_counter()
                answers.add((plain if name == "plain" else harness)(clips, tracker))
                took = time.perf_counter() - start
                rows = found.setdefault(f"{each} ms a frame", {}).setdefault(name, [])
                rows.append((len(clips.ids) / took, 1 - tracker.seconds / took))
    if len(answers) != 1:
        raise SystemExit("the loops give different predictions")
    return {
        tracker: {
            name: {"clips_per_s": median(row[0] for row in rows), "waits": median(row[1] for row in rows)}
            for name, rows in loops.items()
        }
        for tracker, loops in found.items()
    }


def memory(clips: int, frames: int) -> float:
    command = [sys.executable, __file__, "--memory", "--clips", str(clips), "--frames", str(frames)]
    return float(subprocess.run(command, check=True, capture_output=True, text=True).stdout)


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--clips", type=int, default=4)
    parser.add_argument("--frames", type=int, default=60)
    parser.add_argument("--turns", type=int, default=3)
    parser.add_argument("--json", action="store_true", help="print JSON on standard output")
    parser.add_argument("--memory", action="store_true", help=argparse.SUPPRESS)
    arguments = parser.parse_args()
    clips = Clips(arguments.clips, arguments.frames)
    if arguments.memory:
        os.environ[THREADS] = "2"
        before = peak_memory_mb()
        harness(clips, Sleeper(5))
        print(json.dumps(peak_memory_mb()))
        print(f"{before:.0f} MB before the first clip", file=sys.stderr)
        return
    result: dict[str, object] = {**measure(clips, arguments.turns)}
    result["peak_mb"] = {"250 frames": memory(2, 250)}
    result["notes"] = {name: getattr(arguments, name) for name in ("clips", "frames", "turns")}
    if arguments.json:
        print(in_form("evaluation", result))
        return
    print(f"{'tracker':16} {'loop':10} {'clips/s':>8} {'waits':>7}")
    for tracker in (f"{each} ms a frame" for each in PER_FRAME):
        loops = result[tracker]
        assert isinstance(loops, dict)
        for name, row in loops.items():
            print(f"{tracker:16} {name:10} {row['clips_per_s']:>8.2f} {row['waits']:>7.0%}")
    print(f"peak memory, 250 frames: {result['peak_mb']} MB")


if __name__ == "__main__":
    main()
