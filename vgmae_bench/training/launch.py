"""Device, process group and termination of a training process."""

from __future__ import annotations

import logging
import os
import signal
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from types import FrameType
from typing import Any, NamedTuple

import torch
from lightning_fabric import Fabric
from lightning_fabric.plugins.environments.lightning import LightningEnvironment
from lightning_fabric.plugins.environments.slurm import SLURMEnvironment

from vgmae_bench.errors import UsageError
from vgmae_bench.settings import environment_number
from vgmae_bench.training.settings import Precision

PRECISIONS: dict[str, Any] = {"fp32": "32-true", "bf16": "bf16-mixed"}
FAST_ON_CPU = ("avx512_bf16", "amx_bf16")
"""Instructions for matrix products in bfloat16. Without them, a CPU is much slower in bfloat16 than in float32."""


class World(NamedTuple):
    """The number of processes that train together, and of their machines."""

    processes: int
    nodes: int


def world(environment: Mapping[str, str] = os.environ) -> World:
    """The process group according to torchrun or SLURM; one process on one machine if neither started it.

    Raises:
        UsageError: a variable is not a number, or the numbers contradict each other.
    """

    def number(name: str, default: int) -> int:
        return environment_number(name, default, environment)

    processes = number("WORLD_SIZE", 1)
    if processes > 1:  # torchrun
        return _checked(
            World(processes, processes // max(number("LOCAL_WORLD_SIZE", processes), 1)), number("RANK", -1)
        )
    if environment_number("SLURM_PROCID", None, environment) is not None:
        tasks = number("SLURM_STEP_NUM_TASKS", number("SLURM_NTASKS", 1))
        nodes = number("SLURM_STEP_NUM_NODES", number("SLURM_NNODES", 1))
        return _checked(World(tasks, nodes), number("SLURM_PROCID", 0))
    return World(1, 1)


def _checked(told: World, rank: int) -> World:
    if told.processes > 1 and not 0 <= rank < told.processes:
        raise UsageError(
            f"There are {told.processes} processes, and this one is number {rank}" if rank >= 0 else "RANK is not set",
            f"the number of a process is from 0 to {told.processes - 1}",
            try_="torchrun or srun, which set these variables",
        )
    if not told.nodes or told.processes % told.nodes:
        raise UsageError(
            f"{told.processes} processes on {told.nodes} machines cannot train together",
            "each machine needs the same number of processes",
            try_="srun --ntasks-per-node=N",
        )
    return told


class _Slurm(SLURMEnvironment):
    """The processes of `srun`, with any of its options. Lightning itself requires --ntasks-per-node."""

    @staticmethod
    def _validate_srun_variables() -> None:
        """`world` has checked the variables."""

    def world_size(self) -> int:
        """The number of processes that srun started. The job can have reserved more."""
        return world().processes


def chosen_precision(precision: Precision, device: str) -> Precision:
    """The precision of a training on a device: "auto" becomes "bf16" where that is faster, "fp32" elsewhere."""
    if precision != "auto":
        return precision
    if device.partition(":")[0] == "cuda":
        return "bf16" if torch.cuda.is_bf16_supported(including_emulation=False) else "fp32"
    known: dict[str, Any] = getattr(torch.cpu, "get_capabilities", dict)()  # older versions of torch do not tell
    return "bf16" if any(known.get(name) for name in FAST_ON_CPU) else "fp32"


@contextmanager
def launch(device: str, precision: Precision) -> Iterator[Fabric]:
    """Join the other processes, if there are any, with one device each. At the end, all leave together.

    Weights are float32 with either precision.

    Arguments:
        device: "cpu" or "cuda".
    """
    logging.getLogger("lightning_fabric").setLevel(logging.WARNING)
    processes, nodes = world()
    alone = processes == 1
    fabric = Fabric(
        accelerator=device.partition(":")[0],
        devices=processes // nodes,
        num_nodes=nodes,
        strategy="auto" if alone else "ddp",
        precision=PRECISIONS[chosen_precision(precision, device)],
        plugins=_environment(alone),
    )
    fabric.launch()
    try:
        yield fabric
        fabric.barrier()  # no process may leave while another needs it
    finally:
        if torch.distributed.is_initialized():
            torch.distributed.destroy_process_group()  # its threads abort the process if they still run at its end


class Interrupt:
    """Records a request to stop the process."""

    asked = False


def _environment(alone: bool) -> list[Any] | None:
    if alone:  # an interactive SLURM shell is not a process group
        return [LightningEnvironment()]
    by_torchrun = environment_number("WORLD_SIZE", 1) > 1
    return None if by_torchrun else [_Slurm()]


@contextmanager
def stoppable() -> Iterator[Interrupt]:
    """Finish the current step after a request to stop.

    The first Ctrl-C or SIGTERM (from a scheduler) is only recorded. The second one stops the process as usual.
    """
    interrupt = Interrupt()
    before = {number: signal.getsignal(number) for number in (signal.SIGINT, signal.SIGTERM)}

    def restore() -> None:
        for number, handler in before.items():
            signal.signal(number, handler)

    def note(number: int, frame: FrameType | None) -> None:
        interrupt.asked = True
        restore()

    for number in before:
        signal.signal(number, note)
    try:
        yield interrupt
    finally:
        restore()
