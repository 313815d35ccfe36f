"""Measures the cost of the teacher in TrackMAE's training: updates with cached tracks and with tracks computed on-line.

    python benchmarks/teacher.py                        a table
    python benchmarks/teacher.py --json                 the same numbers for programs
    python benchmarks/teacher.py --teacher cotracker3   with this teacher, installed by torch.hub

The benchmark runs updates of the weights with TrackMAE's recipe: the configuration `tiny` on a CPU, `small` on a GPU.

    no tracks      as VideoMAE: no motion target, random masks
    ground truth   the exact tracks of the generated clips
    cached         the cache contains the tracks of these clips
    first pass     with an empty cache: tracks are computed and stored
    on-line        tracks are computed each time, as in the official code

They take turns within one process, so that whatever else the machine does concerns them alike; all but "first pass" see the
same clips each time. Times are medians of wall-clock milliseconds; clips are rendered within an update, one after the other
with what is learned from them. "tracks" is the teacher's part of an update, timed by itself.
"""

from __future__ import annotations

import argparse
import os
import sys
import tempfile
import time
from collections.abc import Callable
from dataclasses import replace
from functools import partial
from pathlib import Path
from statistics import median

os.environ.setdefault("OMP_WAIT_POLICY", "passive")  # spinning threads slow other processes down

import torch
from form import in_form
from vgmae_baselines.trackmae.pretrain import PretrainConfig, Pretraining
from vgmae_baselines.trackmae.teachers.ground_truth import GroundTruth
from vgmae_baselines.trackmae.teachers.registry import open_teacher
from vgmae_baselines.trackmae.teachers.teacher import Teacher
from vgmae_baselines.trackmae.teachers.track_cache import CachedTeacher

from vgmae_bench import plugins
from vgmae_bench.config import build, read_toml
from vgmae_bench.provenance import device_name
from vgmae_bench.training.clips.sources import open_clips
from vgmae_bench.training.recipe import Batch
from vgmae_bench.training.schedule import parameter_groups

VARIANTS = ("no tracks", "ground truth", "cached", "first pass", "on-line")


class Trainer:
    """One variant: updates of a network's weights."""

    def __init__(self, variant: str, config: PretrainConfig, teacher: Teacher | None, device: str) -> None:
        self._new_clips, self._device = variant == "first pass", device
        if teacher is None:
            config = replace(config, motion_weight=0.0, mask_type="random")
        torch.manual_seed(0)
        self._config, self._recipe = config, Pretraining(config, teacher).to(device)
        self._optimizer = torch.optim.AdamW(
            parameter_groups(self._recipe.network, config.optimiser.weight_decay), lr=1e-4
        )
        self._source = open_clips(["synth"], config.seed, workers=0)
        self._first = 0

    def clips(self) -> Batch:
        """Render a batch."""
        size = self._config.data.batch_size
        self._first += size if self._new_clips else 0
        return self._source.batch(range(self._first, self._first + size), self._recipe.shape(0), self._device)

    def tracks(self) -> Callable[[], object]:
        """The call of the teacher for a rendered batch."""
        return partial(self._recipe.tracks_per_tubelet, self.clips())

    def update(self) -> None:
        """Clips, tracks, loss, gradients, step."""
        batch = self.clips()
        with torch.autocast(self._device, torch.bfloat16, enabled=self._config.precision == "bf16"):
            loss, _ = self._recipe(batch, 0)
        loss.backward()
        torch.nn.utils.clip_grad_norm_(self._recipe.parameters(), self._config.optimiser.clip_norm)
        self._optimizer.step()
        self._optimizer.zero_grad()


def milliseconds(work: Callable[[], object]) -> float:
    start = time.perf_counter()
    work()
    if torch.cuda.is_available():
        torch.cuda.synchronize()
    return (time.perf_counter() - start) * 1e3


def measure(
    teacher: str, config: PretrainConfig, device: str, repeats: int, cache: Path, say: Callable[[str], None]
) -> dict[str, object]:
    online = open_teacher(teacher, cache=False, device=device)
    cached, unseen = (CachedTeacher(online, cache, limit_mb=4096) for _ in range(2))
    teachers: dict[str, Teacher | None] = {
        "no tracks": None,
        "ground truth": GroundTruth(config.seed, config.data.speed),
        "cached": cached,
        "first pass": unseen,
        "on-line": online,
    }
    trainers = {variant: Trainer(variant, config, teachers[variant], device) for variant in VARIANTS}
    updates: dict[str, list[float]] = {variant: [] for variant in VARIANTS}
    tracks: dict[str, list[float]] = {variant: [] for variant in VARIANTS}
    for turn in range(1 + repeats):  # the first turn is a warm-up and fills the cache
        say(f"turn {turn} of {repeats} …")
        for variant, trainer in trainers.items():
            updates[variant].append(milliseconds(trainer.update))
            tracks[variant].append(milliseconds(trainer.tracks()))
    if cached.found != cached.asked - config.data.batch_size or unseen.found:
        raise RuntimeError(f"the cache does not work: {cached.found} of {cached.asked} found, {unseen.found} too soon")
    usage, clips = cached.usage(), trainers["cached"].clips
    online_ms = median(updates["on-line"][1:])
    return {
        variant: {
            "steps_per_second": round(1e3 / median(updates[variant][1:]), 3),
            "update_ms": round(median(updates[variant][1:]), 1),
            "tracks_ms": round(median(tracks[variant][1:]), 1),
            "times_online": round(online_ms / median(updates[variant][1:]), 2),
        }
        for variant in VARIANTS
    } | {
        "notes": {
            "teacher": teacher,
            "clips": f"{config.data.batch_size} of {config.network.num_frames} frames of {config.network.image_size} px",
            "clips_ms": round(median(milliseconds(clips) for _ in range(repeats)), 1),
            "kilobytes_per_clip": round(usage.megabytes / usage.entries * 1e3, 1),
            "device": device_name(device),
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
    parser.add_argument("--config", help="a configuration of trackmae; default: tiny, on a GPU small")
    parser.add_argument("--teacher", choices=["lucas-kanade", "cotracker3"], default="lucas-kanade")
    arguments = parser.parse_args()
    torch.set_num_threads(arguments.threads)
    device = "cuda" if torch.cuda.is_available() else "cpu"
    name = arguments.config or ("small" if device == "cuda" else "tiny")
    folder = plugins.beside(plugins.find("methods", "trackmae"), "configs")
    config = build(PretrainConfig, read_toml(folder / f"{name}.toml"), owner="trackmae")
    data = replace(config.data, batch_size=arguments.batch_size or config.data.batch_size, accumulate=1)
    config = replace(config, data=data)
    with tempfile.TemporaryDirectory() as cache:
        result = measure(
            arguments.teacher, config, device, arguments.repeats, Path(cache), lambda text: print(text, file=sys.stderr)
        )
    if arguments.json:
        print(in_form("teacher", {"configuration": name, **result}))
        return
    print(f"{'':14}{'steps/s':>9}{'update':>12}{'tracks':>12}{'steps for one on-line':>24}")
    for variant in VARIANTS:
        row = result[variant]
        assert isinstance(row, dict)
        print(
            f"{variant:14}{row['steps_per_second']:>9.2f}{row['update_ms']:>9.0f} ms{row['tracks_ms']:>9.0f} ms"
            f"{row['times_online']:>22.2f} ×"
        )
    print(f"configuration: {name}, {result['notes']}")


if __name__ == "__main__":
    main()
