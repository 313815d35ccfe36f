"""Measures the speed of Video-GMAE's training on this machine, and the time of each part.

    python benchmarks/training.py            a table
    python benchmarks/training.py --json     the same numbers for programs

On a CPU: the configuration `tiny` in its own precision, with the native and with the torch splatting. On a GPU: `paper-base`
in bfloat16 with gsplat, all frames of all clips in one call, and one call for each frame as in the official code. The
variants alternate within one process, so that other load on the machine affects them equally. Times are medians of wall-
clock milliseconds for one update of the weights, including clips; its parts are timed separately. Memory is the peak of a
separate process (GPU memory if there is a GPU), including rendering of clips.
"""

from __future__ import annotations

import argparse
import os
import subprocess
import sys
import time
from collections.abc import Callable
from dataclasses import replace
from statistics import median
from unittest.mock import patch

os.environ.setdefault("OMP_WAIT_POLICY", "passive")  # spinning threads slow other processes down

import torch
from form import in_form
from torch import Tensor

from vgmae_bench import plugins
from vgmae_bench.config import build, merge, read_toml
from vgmae_bench.provenance import device_name, peak_memory_mb
from vgmae_bench.training.clips.sources import open_clips
from vgmae_bench.training.launch import chosen_precision
from vgmae_bench.training.schedule import parameter_groups
from vgmae_bench.videogmae import pretrain
from vgmae_bench.videogmae.gaussians.gaussians import (
    Backend,
    Camera,
    Composite,
    Gaussians,
    activate,
    fixed_camera,
    render_video,
)
from vgmae_bench.videogmae.masking import encode_part
from vgmae_bench.videogmae.network import GAUSSIAN_PARAMETERS
from vgmae_bench.videogmae.pretrain import PretrainConfig, Pretraining

CPU_VARIANTS = ("native", "torch")
GPU_VARIANTS = ("one call", "a call a frame")


class Trainer:
    """One variant: updates of a network's weights, and the parts of an update."""

    def __init__(self, variant: str, batch_size: int | None) -> None:
        self.device = "cpu" if variant in CPU_VARIANTS else "cuda"
        folder = plugins.beside(plugins.find("methods", "videogmae"), "configs")
        settings = read_toml(folder / ("tiny.toml" if self.device == "cpu" else "paper-base.toml"))
        config = build(PretrainConfig, merge(settings, {"curriculum": {"stages": []}}), owner="videogmae")
        backend: Backend = "gsplat" if self.device == "cuda" else "native" if variant == "native" else "torch"
        data = replace(config.data, batch_size=batch_size or config.data.batch_size)
        self.config = replace(config, backend=backend, data=data)
        self.render = render_frame_by_frame if variant == "a call a frame" else render_video
        self.recipe = Pretraining(self.config).to(self.device)
        self.model = self.recipe.network
        self.optimizer = torch.optim.AdamW(parameter_groups(self.model, self.config.optimiser.weight_decay), lr=1e-4)
        self.source = open_clips(["synth"], seed=0, workers=0)
        self.clips()
        self.raw = torch.randn(
            *self.batch.video.shape[:2], config.network.num_gaussians, GAUSSIAN_PARAMETERS, device=self.device
        )

    def clips(self) -> None:
        """Render a batch."""
        self.batch = self.source.batch(range(self.config.data.batch_size), self.recipe.shape(0), self.device)

    def autocast(self) -> torch.autocast:
        """bfloat16 on a GPU; on a CPU, the precision of the configuration."""
        bfloat16 = self.device == "cuda" or chosen_precision(self.config.precision, self.device) == "bf16"
        return torch.autocast(self.device, torch.bfloat16, enabled=bfloat16)

    def update(self) -> None:
        """Clips, loss, gradients, step."""
        self.clips()
        with self.autocast(), patch.object(pretrain, "render_video", self.render):
            loss, _ = self.recipe(self.batch, 0)
        loss.backward()
        torch.nn.utils.clip_grad_norm_(self.model.parameters(), self.config.optimiser.clip_norm)
        self.optimizer.step()
        self.optimizer.zero_grad()

    def network(self) -> None:
        """Forward and backward through the network alone."""
        with self.autocast():
            x = self.recipe.network.decode(
                encode_part(self.recipe.network, self.batch, self.config.curriculum.mask_ratio)
            )
        x.float().sum().backward()
        self.optimizer.zero_grad()

    def splatting(self) -> None:
        """Forward and backward through activations and splatting alone."""
        raw = self.raw.clone().requires_grad_()
        gaussians = activate(raw, self.config.activation)
        camera = fixed_camera(self.config.network.image_size, self.config.network.image_size, like=raw)
        self.render(gaussians, camera, self.config.composite, self.config.backend).sum().backward()


def render_frame_by_frame(gaussians: Gaussians, camera: Camera, mode: Composite, backend: Backend = "auto") -> Tensor:
    """`render_video`, with one call for each frame of each clip."""
    clips = [
        torch.cat(
            [
                render_video(
                    Gaussians(
                        gaussians.means[clip : clip + 1, frame : frame + 1],
                        gaussians.scales[clip : clip + 1],
                        gaussians.quats[clip : clip + 1],
                        gaussians.opacities[clip : clip + 1],
                        gaussians.colors[clip : clip + 1, frame : frame + 1],
                    ),
                    camera,
                    mode,
                    backend,
                )
                for frame in range(gaussians.means.shape[1])
            ],
            dim=1,
        )
        for clip in range(len(gaussians.means))
    ]
    return torch.cat(clips)


def milliseconds(works: dict[str, Callable[[], None]], repeats: int) -> dict[str, float]:
    """The median time of each variant. The variants alternate; the first turn is a warm-up."""
    times: dict[str, list[float]] = {name: [] for name in works}
    for _ in range(1 + repeats):
        for name, work in works.items():
            start = time.perf_counter()
            work()
            if torch.cuda.is_available():
                torch.cuda.synchronize()
            times[name].append(time.perf_counter() - start)
    return {name: median(taken[1:]) * 1e3 for name, taken in times.items()}


def measure_memory(variant: str, batch_size: int | None) -> float:
    """The peak memory of two updates in this process, in MB. The process must do nothing else."""
    trainer = Trainer(variant, batch_size)
    trainer.update()
    trainer.update()
    return torch.cuda.max_memory_allocated() / 1e6 if trainer.device == "cuda" else peak_memory_mb()


def memory_mb(variant: str, batch_size: int | None, threads: int) -> float:
    """`measure_memory` in a new process."""
    command = [sys.executable, __file__, "--memory-of", variant, "--threads", str(threads)]
    command += ["--batch-size", str(batch_size)] if batch_size else []
    return float(subprocess.run(command, check=True, capture_output=True, text=True).stdout)


def measure(repeats: int, batch_size: int | None, say: Callable[[str], None]) -> dict[str, object]:
    variants = GPU_VARIANTS if torch.cuda.is_available() else CPU_VARIANTS
    say("memory …")  # first, because a new process inherits its parent's peak, which is still small
    memory = {variant: memory_mb(variant, batch_size, torch.get_num_threads()) for variant in variants}
    trainers = {variant: Trainer(variant, batch_size) for variant in variants}
    say("updates …")
    updates = milliseconds({variant: trainer.update for variant, trainer in trainers.items()}, repeats)
    say("parts …")
    splatting = milliseconds({variant: trainer.splatting for variant, trainer in trainers.items()}, repeats)
    first = trainers[variants[0]]
    parts = milliseconds({"clips": first.clips, "network": first.network}, repeats)
    size = first.config.data.batch_size
    return {
        variant: {
            "clips_per_second": round(size / updates[variant] * 1e3, 1),
            "update_ms": round(updates[variant], 1),
            "clips_ms": round(parts["clips"], 1),
            "network_ms": round(parts["network"], 1),
            "splatting_ms": round(splatting[variant], 1),
            "memory_mb": round(memory[variant]),
        }
        for variant in variants
    } | {
        "notes": {
            "configuration": f"{'tiny' if first.device == 'cpu' else 'paper-base'}, batch of {size}, last stage",
            "device": device_name(first.device),
            "threads": torch.get_num_threads(),
            "load_average": [round(load, 2) for load in os.getloadavg()],
        }
    }


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--json", action="store_true", help="print JSON on standard output")
    parser.add_argument("--threads", type=int, default=torch.get_num_threads(), help="default: torch's")
    parser.add_argument("--repeats", type=int, default=7)
    parser.add_argument("--batch-size", type=int, help="default: the configuration's")
    parser.add_argument("--memory-of", choices=[*CPU_VARIANTS, *GPU_VARIANTS], help=argparse.SUPPRESS)
    arguments = parser.parse_args()
    torch.set_num_threads(arguments.threads)
    if arguments.memory_of:
        print(measure_memory(arguments.memory_of, arguments.batch_size))
        return
    result = measure(arguments.repeats, arguments.batch_size, lambda text: print(text, file=sys.stderr))
    if arguments.json:
        print(in_form("training", result))
        return
    print(f"{'':14}{'clips/s':>9}{'update':>12}{'clips':>11}{'network':>11}{'splatting':>12}{'memory':>11}")
    for variant, row in result.items():
        if isinstance(row, dict) and variant != "notes":
            print(
                f"{variant:14}{row['clips_per_second']:>9.1f}{row['update_ms']:>9.0f} ms{row['clips_ms']:>8.0f} ms"
                f"{row['network_ms']:>8.0f} ms{row['splatting_ms']:>9.0f} ms{row['memory_mb']:>8.0f} MB"
            )
    print(", ".join(f"{name}: {value}" for name, value in dict(result["notes"]).items()))  # type: ignore[call-overload]  # JSON


if __name__ == "__main__":
    main()
