"""Compares the speed of this version with that of another checkout. The two take turns.

    python benchmarks/against.py DIR                             all parts, a table
    python benchmarks/against.py DIR --only splatting --json     one part, for programs
    python benchmarks/against.py DIR --only training --steps 1000 --turns 1

Each part runs in processes of its own, with the environment `.venv` of its checkout if there is one:

    splatting      16 frames, forward and backward, at 64 and 224 px: milliseconds
    training       `train --method videogmae --config tiny`: clips a second and loss
    gaussian-fit   `run --method gaussian-fit` on warp: CPU seconds and δ_avg
    track          `track --method lucas-kanade --grid 12` on a film of 1280 × 720 px: seconds

All numbers are medians of the turns. "ratio" is the median over the turns of how many times this version is as fast.
"""

from __future__ import annotations

import argparse
import csv
import json
import os
import resource
import subprocess
import sys
import tempfile
import time
from collections.abc import Callable, Sequence
from fractions import Fraction
from functools import partial
from pathlib import Path
from statistics import median

os.environ.setdefault("OMP_WAIT_POLICY", "passive")  # spinning threads slow other processes down

from evaluation import moving_texture
from form import in_form

from vgmae_bench.data.video.write import write_mp4

HERE = Path(__file__).resolve().parents[1]
SCENES = ((64, 64), (64, 256), (224, 256))
FRAMES = 289
Numbers = dict[str, float]
"""The first number is the speed: a time, or a rate per second."""


def python(checkout: Path, folder: Path, threads: int, *arguments: str) -> str:
    """What a Python process of a checkout prints. It works in `folder`: -m would import what the current folder holds."""
    own = checkout / ".venv" / "bin" / "python"
    environment = {**os.environ, "OMP_NUM_THREADS": str(threads), "PYTHONPATH": str(checkout)}
    command = [str(own if own.exists() else sys.executable), *arguments]
    done = subprocess.run(command, check=True, stdout=subprocess.PIPE, text=True, env=environment, cwd=folder)
    return done.stdout


def splatting(size: int, gaussians: int, checkout: Path, folder: Path, threads: int) -> Numbers:
    script = str(HERE / "benchmarks" / "splatting.py")
    arguments = ("--time-of", "native", str(size), str(gaussians), "--threads", str(threads))
    return {"ms": float(python(checkout, folder, threads, script, *arguments))}


def training(steps: int, checkout: Path, folder: Path, threads: int) -> Numbers:
    settings = {"steps": steps, "log_every": max(1, steps // 10), "validate_clips": 0}
    settings |= dict.fromkeys(("picture_every", "validate_every", "checkpoint_every"), 0)
    sets = [part for name, value in settings.items() for part in ("--set", f"{name}={value}")]
    what = ("--method", "videogmae", "--config", "tiny", "--data", "synth", "--device", "cpu", "--out", "out")
    python(checkout, folder, threads, "-m", "vgmae_bench", "train", *what, *sets)
    with (folder / "out" / "log.csv").open(encoding="utf-8", newline="") as file:
        rows = [{name: float(value or "nan") for name, value in row.items()} for row in csv.DictReader(file)]
    first, last = rows[0], rows[-1]  # the first tenth of the steps warms up
    batch = first["clips_per_second"] * first["seconds"] / first["step"]
    speed = batch * (last["step"] - first["step"]) / (last["seconds"] - first["seconds"])
    return {"clips_per_second": speed, "loss": last["loss"]}


def gaussian_fit(checkout: Path, folder: Path, threads: int) -> Numbers:
    before = resource.getrusage(resource.RUSAGE_CHILDREN).ru_utime
    what = ("--method", "gaussian-fit", "--dataset", "warp", "--figures", "0", "--out", "out")
    python(checkout, folder, threads, "-m", "vgmae_bench", "run", *what)
    seconds = resource.getrusage(resource.RUSAGE_CHILDREN).ru_utime - before
    (summary,) = (folder / "out").rglob("summary.json")
    metrics = json.loads(summary.read_text(encoding="utf-8"))["metrics"]
    return {"cpu_s": seconds, "d_avg": 100 * metrics["average_pts_within_thresh"]["mean"]}


def track(film: Path, checkout: Path, folder: Path, threads: int) -> Numbers:
    start = time.perf_counter()
    what = (str(film), "--method", "lucas-kanade", "--grid", "12", "--out", "out")
    python(checkout, folder, threads, "-m", "vgmae_bench", "track", *what)
    return {"s": time.perf_counter() - start}


Part = Callable[[Path, Path, int], Numbers]


def parts(only: Sequence[str], steps: int, film: Path) -> dict[str, Part]:
    """The measurements, by name."""
    listed: dict[str, dict[str, Part]] = {
        "splatting": {f"splatting, {s} px, {n} Gaussians": partial(splatting, s, n) for s, n in SCENES},
        "training": {"training": partial(training, steps)},
        "gaussian-fit": {"gaussian-fit": gaussian_fit},
        "track": {"track": partial(track, film)},
    }
    if "track" in only:
        write_mp4(film, moving_texture(0, FRAMES), Fraction(25))
    return {name: part for group in only for name, part in listed[group].items()}


def compare(part: Part, against: Path, turns: int, threads: int) -> dict[str, float]:
    """Medians of both versions, and the ratio of their speeds."""
    found: dict[str, list[Numbers]] = {"there": [], "here": []}
    for _ in range(turns):
        for name, checkout in (("there", against), ("here", HERE)):
            with tempfile.TemporaryDirectory() as folder:
                found[name].append(part(checkout, Path(folder), threads))
    speed = next(iter(found["here"][0]))
    row = {
        f"{key}, {name}": float(f"{median(run[key] for run in runs):.4g}")
        for key in found["here"][0]
        for name, runs in found.items()
    }
    ratios = [there[speed] / here[speed] for there, here in zip(found["there"], found["here"], strict=True)]
    ratio = median(1 / one if speed.endswith("per_second") else one for one in ratios)
    return {**row, "ratio": round(ratio, 2)}


def main() -> None:
    names = ("splatting", "training", "gaussian-fit", "track")
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("against", type=Path, metavar="DIR", help="a checkout of the other version")
    parser.add_argument("--only", type=lambda text: text.split(","), default=names, help=f"of {','.join(names)}")
    parser.add_argument("--steps", type=int, default=200, help="of each training")
    parser.add_argument("--turns", type=int, default=3)
    parser.add_argument("--threads", type=int, default=1, help="of each process; default: 1")
    parser.add_argument("--json", action="store_true", help="print JSON on standard output")
    arguments = parser.parse_args()
    if unknown := set(arguments.only) - set(names):
        parser.error(f"there is no part {', '.join(sorted(unknown))}; there are {', '.join(names)}")
    against = arguments.against.resolve()
    results = {}
    with tempfile.TemporaryDirectory() as folder:
        for name, part in parts(arguments.only, arguments.steps, Path(folder) / "film.mp4").items():
            print(f"{name} …", file=sys.stderr)
            results[name] = compare(part, against, arguments.turns, arguments.threads)
    show = ["git", "-C", str(against), "rev-parse", "--short", "HEAD"]
    commit = subprocess.run(show, capture_output=True, text=True, check=False).stdout.strip()
    notes = {"there": commit or "unknown", "turns": arguments.turns, "threads": arguments.threads}
    if arguments.json:
        print(in_form("against", {**results, "notes": notes}))
        return
    for name, row in results.items():
        print(f"{name:32}", ", ".join(f"{key} {value:g}" for key, value in row.items()))


if __name__ == "__main__":
    main()
