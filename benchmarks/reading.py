"""Measures time and memory of reading clips: the prepared file compared with the official pickles.

    python benchmarks/reading.py                                      a small generated set
    python benchmarks/reading.py --clips 200 --frames 250             a set of any size (in a temporary folder)
    python benchmarks/reading.py --processes 4 --json                 four processes that share the clips; for programs

Two layouts are generated: "davis" is one pickle of pixels, "kinetics" ten pickles of JPEGs. Every measurement starts processes
that open the set (its index exists already) and read each clip at 256×256, as the protocol requires. Published and prepared
form alternate; numbers are medians, and memory is the peak of one process. A checksum verifies that both give the same
frames.
"""

from __future__ import annotations

import argparse
import io
import json
import os
import pickle
import subprocess
import sys
import tempfile
import time
import zlib
from pathlib import Path
from statistics import median
from typing import Any

sys.path.insert(0, str(Path(__file__).parents[1]))

import numpy as np
from form import in_form
from PIL import Image

from vgmae_bench.data.open import open_dataset
from vgmae_bench.data.prepare import prepare
from vgmae_bench.provenance import peak_memory_mb
from vgmae_bench.resizing import resize_frames

SETS = ("davis", "kinetics")
FORMS = ("published", "prepared")
SHARDS = 10


def example(seed: int, frames: int, side: int, jpeg: bool) -> dict[str, Any]:
    """A texture that moves by one pixel per frame, with tracks, in the form of TAP-Vid pickles."""
    rng = np.random.default_rng(seed)
    coarse = rng.integers(0, 256, (1, side // 8, side // 8, 3), dtype=np.uint8)
    texture = resize_frames(coarse, (side, side + frames))[0]
    video = np.stack([texture[:, t : t + side] for t in range(frames)])
    tracks = {"points": rng.random((26, frames, 2)), "occluded": rng.random((26, frames)) < 0.2}
    if not jpeg:
        return {"video": video, **tracks}
    encoded = []
    for frame in video:
        buffer = io.BytesIO()
        Image.fromarray(frame).save(buffer, "JPEG", quality=85)
        encoded.append(buffer.getvalue())
    return {"video": np.array(encoded), **tracks}


def generate(root: Path, clips: int, frames: int, side: int) -> None:
    """Writes both datasets in their official layouts, one shard at a time, and their indices."""
    pixels = {f"clip{number:04}": example(number, frames, side, jpeg=False) for number in range(clips)}
    save(root / "tapvid_davis" / "tapvid_davis.pkl", pixels)
    del pixels
    for shard, numbers in enumerate(np.array_split(np.arange(clips), SHARDS)):
        content = [example(int(number), frames, side, jpeg=True) for number in numbers]
        save(root / "tapvid_kinetics" / f"{shard:04}_of_{SHARDS:04}.pkl", content)
    for name in SETS:
        open_dataset(name, root=root)


def save(path: Path, content: object) -> None:
    path.parent.mkdir(exist_ok=True)
    with path.open("wb") as file:
        pickle.dump(content, file)


def read(root: Path, name: str, form: str, share: int, of: int) -> dict[str, float]:
    """Read every `of`-th clip in this process."""
    start = time.perf_counter()
    dataset = open_dataset(name, root=root, use_prepared=form == "prepared")
    checksum, count = 0, 0
    for clip_id in list(dataset.ids)[share::of]:
        clip = dataset.clip(clip_id)
        checksum ^= zlib.crc32(clip.frames((256, 256)).tobytes() + clip.tracks((256, 256)).tobytes())
        count += 1
    seconds = time.perf_counter() - start
    return {"clips": count, "seconds": seconds, "peak_mb": peak_memory_mb(), "checksum": checksum}


def measure(root: Path, name: str, form: str, processes: int) -> dict[str, float]:
    command = [sys.executable, __file__, "--root", str(root), "--read", name, form]
    shares = [[*command, str(share), str(processes)] for share in range(processes)]
    running = [subprocess.Popen(one, stdout=subprocess.PIPE, text=True) for one in shares]
    found = [json.loads(one.communicate()[0]) for one in running]
    checksum = 0
    for one in found:
        checksum ^= one["checksum"]
    seconds, clips = max(one["seconds"] for one in found), sum(one["clips"] for one in found)
    return {"clips_per_s": clips / seconds, "peak_mb": max(one["peak_mb"] for one in found), "checksum": checksum}


def compare(root: Path, name: str, processes: int, turns: int) -> dict[str, dict[str, float]]:
    found: dict[str, list[dict[str, float]]] = {form: [] for form in FORMS}
    for _ in range(turns):
        for form in FORMS:
            found[form].append(measure(root, name, form, processes))
    if len({one["checksum"] for all_ in found.values() for one in all_}) != 1:
        raise SystemExit(f"{name}: prepared and published clips differ")
    rows = {
        form: {key: median(one[key] for one in all_) for key in ("clips_per_s", "peak_mb")}
        for form, all_ in found.items()
    }
    published, prepared = (rows[form] for form in FORMS)
    return {**rows, "prepared / published": {key: prepared[key] / published[key] for key in published}}


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--clips", type=int, default=20)
    parser.add_argument("--frames", type=int, default=50)
    parser.add_argument("--side", type=int, default=256, help="of the square frames, pixels")
    parser.add_argument("--processes", type=int, default=1, help="that share the clips")
    parser.add_argument("--small", action="store_true", help="prepare pixels as PNGs")
    parser.add_argument("--turns", type=int, default=3)
    parser.add_argument("--json", action="store_true", help="print JSON on standard output")
    parser.add_argument("--root", type=Path, help=argparse.SUPPRESS)
    parser.add_argument("--read", nargs=4, help=argparse.SUPPRESS)
    arguments = parser.parse_args()
    if arguments.read:
        name, form, share, of = arguments.read
        print(json.dumps(read(arguments.root, name, form, int(share), int(of))))
        return
    with tempfile.TemporaryDirectory() as folder:
        os.environ["VGMAE_BENCH_CACHE"] = str(Path(folder, "cache"))
        root = Path(folder)
        generate(root, arguments.clips, arguments.frames, arguments.side)
        for name in SETS:
            prepare(name, root, small=arguments.small)
        result = {name: compare(root, name, arguments.processes, arguments.turns) for name in SETS}
    notes = {**{key: getattr(arguments, key) for key in ("clips", "frames", "side", "processes", "turns", "small")}}
    notes["load_average"] = [round(one, 2) for one in os.getloadavg()]
    if arguments.json:
        print(in_form("reading", {**result, "notes": notes}))
        return
    print(f"{'set':10} {'':20} {'clips/s':>10} {'peak MB':>10}")
    for name, rows in result.items():
        for form, row in rows.items():
            print(f"{name:10} {form:20} {row['clips_per_s']:>10.2f} {row['peak_mb']:>10.1f}")
    print(notes)


if __name__ == "__main__":
    main()
