"""Measures time and memory of splatting on this CPU: the native back end, the torch back end, and a dense formula.

    python benchmarks/splatting.py            a table
    python benchmarks/splatting.py --json     the same numbers for programs

The scene is Video-GMAE's (https://videogmae.org): a clip of 16 frames, 256 Gaussians each, means 5 tanh(x), scales
sigmoid(x), 90 degrees of view from z = -8, RGB. Times are medians of wall-clock milliseconds per clip, including
projection. Memory is the rise of a separate process's peak by one forward and backward pass. "dense" evaluates every
Gaussian at every pixel; it is timed on one frame and multiplied by the number of frames.
"""

from __future__ import annotations

import argparse
import os
import resource
import subprocess
import sys
import time
from collections.abc import Callable
from pathlib import Path
from statistics import median

os.environ.setdefault("OMP_WAIT_POLICY", "passive")  # spinning threads slow other processes down
sys.path.append(str(Path(__file__).parents[1]))  # last, so that PYTHONPATH can name another checkout

import torch
from form import in_form
from torch import Tensor

from tests.splatting.dense import composite_image
from vgmae_bench.splatting import Projection, project, render

FRAMES, GAUSSIANS, CHANNELS = 16, 256, 3
SIZES = (224, 128, 64)
REPEATS = {"native": 15, "torch": 5, "dense": 2}
Draw = Callable[[list[Tensor]], Tensor]


def scene(frames: int, count: int = GAUSSIANS) -> list[Tensor]:
    """Means, rotations, scales, opacities and colours of an untrained network."""
    generator = torch.Generator().manual_seed(0)
    raw = torch.randn(frames, count, 11 + CHANNELS, generator=generator)
    means, scales, quats, opacities, colours = raw.split([3, 3, 4, 1, CHANNELS], dim=-1)
    cloud = [5 * means.tanh(), quats, scales.sigmoid(), opacities[..., 0].sigmoid(), colours.sigmoid()]
    return [array.contiguous().requires_grad_() for array in cloud]


def renderer(method: str, size: int) -> Draw:
    """A function from the scene to the images."""
    viewmat = torch.eye(4)
    viewmat[2, 3] = 8
    K = torch.tensor([[size / 2, 0, size / 2], [0, size / 2, size / 2], [0, 0, 1]])
    if method != "dense":

        def fast(cloud: list[Tensor]) -> Tensor:
            means, quats, scales, opacities, colours = cloud
            return render(means, quats, scales, opacities, colours, viewmat, K, size, size, backend=method).features

        return fast

    def dense(cloud: list[Tensor]) -> Tensor:
        means, quats, scales, opacities, colours = cloud
        projection = project(means, quats, scales, viewmat, K, size, size)
        frames = [Projection(*(part[i] for part in projection)) for i in range(len(means))]
        images = (composite_image(p, o, f, size, size)[0] for p, o, f in zip(frames, opacities, colours, strict=True))
        return torch.stack(list(images))

    return dense


def forward(draw: Draw, cloud: list[Tensor]) -> None:
    with torch.no_grad():
        draw(cloud)


def forward_backward(draw: Draw, cloud: list[Tensor]) -> None:
    images = draw(cloud)
    torch.autograd.grad(images, cloud, torch.ones_like(images))


def milliseconds(work: Callable[[Draw, list[Tensor]], None], method: str, size: int, count: int = GAUSSIANS) -> float:
    frames = 1 if method == "dense" else FRAMES
    draw, cloud = renderer(method, size), scene(frames, count)
    times = []
    for _ in range(1 + REPEATS[method]):
        start = time.perf_counter()
        work(draw, cloud)
        times.append(time.perf_counter() - start)
    return median(times[1:]) * 1e3 * FRAMES / frames  # the first run is a warm-up


def peak_mb() -> float:
    """The peak resident memory of this process so far."""
    status = Path("/proc/self/status")
    if status.exists():  # Linux's getrusage includes the parent's memory before exec
        line = next(line for line in status.read_text().splitlines() if line.startswith("VmHWM"))
        return float(line.split()[1]) / 2**10
    peak = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss
    return peak / 2**20 if sys.platform == "darwin" else peak / 2**10


def measure_memory(method: str, size: int) -> float:
    """The additional peak memory of one pass in this process, after a warm-up. The process must do nothing else."""
    forward_backward(renderer(method, 16), scene(1))
    draw, cloud = renderer(method, size), scene(1 if method == "dense" else FRAMES)
    before = peak_mb()
    forward_backward(draw, cloud)
    return peak_mb() - before


def extra_mb(method: str, size: int) -> float:
    """Run `measure_memory` in a new process, because the peak of one method would hide the peak of the next."""
    command = [sys.executable, __file__, "--memory-of", method, str(size), "--threads", str(torch.get_num_threads())]
    return float(subprocess.run(command, check=True, capture_output=True, text=True).stdout)


def measure(say: Callable[[str], None]) -> dict[str, object]:
    result: dict[str, object] = {}
    for size in SIZES:
        timings: dict[str, dict[str, float]] = {"forward_ms": {}, "forward_backward_ms": {}, "extra_mb": {}}
        for method in REPEATS:
            say(f"{size} px, {method} …")
            timings["forward_ms"][method] = round(milliseconds(forward, method, size), 2)
            timings["forward_backward_ms"][method] = round(milliseconds(forward_backward, method, size), 2)
            timings["extra_mb"][method] = round(extra_mb(method, size), 1)
        result[str(size)] = timings
    result["notes"] = {
        "scene": f"{FRAMES} frames, {GAUSSIANS} Gaussians, {CHANNELS} channels, float32, projection included",
        "threads": torch.get_num_threads(),
        "dense": f"measured on 1 frame: times are multiplied by {FRAMES}, extra_mb is that of one frame",
        "load_average": [round(load, 2) for load in os.getloadavg()],
    }
    return result


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--json", action="store_true", help="print JSON on standard output")
    parser.add_argument("--threads", type=int, default=torch.get_num_threads(), help="default: torch's")
    parser.add_argument("--memory-of", nargs=2, metavar=("METHOD", "SIZE"), help=argparse.SUPPRESS)
    parser.add_argument("--time-of", nargs=3, metavar=("METHOD", "SIZE", "COUNT"), help=argparse.SUPPRESS)
    arguments = parser.parse_args()
    torch.set_num_threads(arguments.threads)
    if arguments.memory_of:
        print(measure_memory(arguments.memory_of[0], int(arguments.memory_of[1])))
        return
    if arguments.time_of:
        method, size, count = arguments.time_of
        print(milliseconds(forward_backward, method, int(size), int(count)))
        return
    result = measure(lambda text: print(text, file=sys.stderr))
    if arguments.json:
        print(in_form("splatting", result))
        return
    print(f"{'px':>4} {'method':8} {'forward':>12} {'fwd + bwd':>12} {'extra':>10}")
    for size in SIZES:
        timings = result[str(size)]
        assert isinstance(timings, dict)
        for method in REPEATS:
            row = [timings[key][method] for key in ("forward_ms", "forward_backward_ms", "extra_mb")]
            print(f"{size:>4} {method:8} {row[0]:>9.1f} ms {row[1]:>9.1f} ms {row[2]:>7.0f} MB")
    print(f"dense: {result['notes']['dense']}" if isinstance(result["notes"], dict) else "")


if __name__ == "__main__":
    main()
