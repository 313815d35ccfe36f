"""How a training process finds its device, its fellow processes and its end."""

from __future__ import annotations

import logging
import os
import signal
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from types import FrameType
from typing import Any, Literal, NamedTuple

import torch
from lightning_fabric import Fabric
from lightning_fabric.plugins.environments.lightning import LightningEnvironment

PRECISIONS: dict[str, Any] = {"fp32": "32-true", "bf16": "bf16-mixed"}


class World(NamedTuple):
    """The processes that train together: how many, and on how many machines."""

    processes: int
    nodes: int


def world(environment: Mapping[str, str] = os.environ) -> World:
    """What torchrun or SLURM say of this process's fellows; one process on one machine where neither started it."""
    processes = int(environment.get("WORLD_SIZE", "1"))
    if processes > 1:  # torchrun
        return World(processes, processes // int(environment.get("LOCAL_WORLD_SIZE", str(processes))))
    if "SLURM_PROCID" in environment:
        return World(int(environment.get("SLURM_NTASKS", "1")), int(environment.get("SLURM_NNODES", "1")))
    return World(1, 1)


@contextmanager
def launch(device: str, precision: Literal["fp32", "bf16"]) -> Iterator[Fabric]:
    """Join the other processes, if there are any, with one device each, and leave them together.

    Weights stay float32 in either precision.

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
        precision=PRECISIONS[precision],
        plugins=[LightningEnvironment()] if alone else None,  # an interactive SLURM shell is no group of processes
    )
    fabric.launch()
    try:
        yield fabric
        fabric.barrier()  # nobody leaves while another still needs it
    finally:
        if torch.distributed.is_initialized():
            torch.distributed.destroy_process_group()  # its threads would abort a process that ends with them running


class Interrupt:
    """Whether the process has been asked to stop."""

    asked = False


@contextmanager
def stoppable() -> Iterator[Interrupt]:
    """Let a step finish when the process is asked to stop.

    The first Ctrl-C or SIGTERM (sent by schedulers) is only noted. The second one stops the process as usual.
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
