"""The training loop of all methods, for any number of processes and sessions."""

from __future__ import annotations

import logging
import math
import time
from collections.abc import Generator
from contextlib import closing
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Any, Generic

import torch
from lightning_fabric import Fabric

from vgmae_bench.ahead import made_ahead
from vgmae_bench.errors import UsageError, UserError
from vgmae_bench.files import file_digest
from vgmae_bench.training.checkpoint import Meter, State
from vgmae_bench.training.clips.synthetic import clip_seed
from vgmae_bench.training.experiments import open_loggers
from vgmae_bench.training.folder import Identity, TrainingFolder
from vgmae_bench.training.launch import launch, stoppable
from vgmae_bench.training.log import Row
from vgmae_bench.training.logger import Due, TrainingLogger
from vgmae_bench.training.recipe import B, Losses, Recipe, Source
from vgmae_bench.training.schedule import MovingAverage, parameter_groups

_log = logging.getLogger(__name__)

if TYPE_CHECKING:
    from lightning_fabric.wrappers import _FabricModule, _FabricOptimizer

PREFETCHED = 2
"""Number of batches prepared ahead."""


@dataclass(frozen=True)
class Job(Generic[B]):
    """A requested training.

    Attributes:
        method: the method's name, for the record.
        recipe, source: the network with its loss, and the clips.
        out: the folder of the training. An unfinished training in it continues. All processes must have access to it.
        device: "cpu" or "cuda".
        init: initial weights, or None.
        command: for the record.
        log_to: names of loggers, see `vgmae_bench.training.experiments`.
    """

    method: str
    recipe: Recipe[Any, B]
    source: Source[B]
    out: Path
    device: str
    init: Path | None = None
    command: str = ""
    log_to: tuple[str, ...] = ()


def train(job: Job[B]) -> Row:
    """Train to the last step, from the folder's checkpoint if there is one. The process can be killed at any moment.

    Returns:
        The last line of the log; empty in all processes but the first.

    Raises:
        UserError: the folder belongs to another training or cannot be written, the weights do not fit, the batch is not
            divisible, or the loss is no longer finite.
        KeyboardInterrupt: on Ctrl-C and SIGTERM, after a checkpoint is written.
    """
    with launch(job.device, job.recipe.config.precision) as fabric:
        return _train(job, fabric)


def _train(job: Job[B], fabric: Fabric) -> Row:
    recipe, config = job.recipe, job.recipe.config
    if config.data.batch_size % (fabric.world_size * config.data.accumulate):
        raise UsageError(
            f"A batch of {config.data.batch_size} is not divisible",
            f"among {fabric.world_size} processes of {config.data.accumulate} passes each",
        )
    init = None if job.init is None else file_digest(job.init)
    folder = TrainingFolder(job.out, Identity(job.method, config, job.source.describe(), init))
    folder.check()

    notes = [] if job.init is None else recipe.init_from(job.init)
    groups = parameter_groups(recipe.network, config.optimiser.weight_decay)
    # On a CPU, "fused" takes a third of the default's time. A checkpoint of an older version continues without it.
    fused = True if fabric.device.type == "cpu" else None
    adamw = torch.optim.AdamW(groups, lr=config.peak_lr, betas=config.optimiser.betas, fused=fused)
    module, optimizer = fabric.setup(recipe, adamw)
    decay, warmup = config.optimiser.ema_decay, config.optimiser.ema_warmup
    average = MovingAverage(recipe.network, decay, warmup) if decay else None
    state = State(recipe.network, optimizer, Meter(), average)
    if folder.checkpoint.exists():
        state.load(folder.checkpoint, folder.digest)
    fabric.barrier()  # all processes check the folder before one writes to it

    if not fabric.is_global_zero:
        _run(job, fabric, module, optimizer, state, None)
        return {}
    folder.open(job.device, job.command, fabric.world_size, notes)
    for note in notes:
        _log.info(note)
    loggers = open_loggers(job.log_to, job.out, state.step, folder.identity.to_json()) if job.log_to else []
    with closing(TrainingLogger(recipe, job.source, folder, state, str(fabric.device), loggers)) as logger:
        _run(job, fabric, module, optimizer, state, logger)
        return logger.last


def _run(
    job: Job[B],
    fabric: Fabric,
    module: _FabricModule,
    optimizer: _FabricOptimizer,
    state: State,
    logger: TrainingLogger | None,
) -> None:
    """Run the remaining steps."""
    config = job.recipe.config
    alone = fabric.world_size == 1
    with stoppable() as interrupt, closing(_batches(job, fabric, state.step)) as batches:
        mark = time.perf_counter()
        while state.step < config.steps:
            lr = config.lr_at(state.step)
            for group in optimizer.param_groups:
                group["lr"] = lr * group.get("lr_scale", 1.0)
            torch.manual_seed(clip_seed(config.seed, state.step * fabric.world_size + fabric.global_rank))
            for part in range(config.data.accumulate):
                with fabric.no_backward_sync(module, enabled=part < config.data.accumulate - 1):
                    losses: Losses = module(next(batches), state.step)
                    fabric.backward(losses.total / config.data.accumulate)
                state.meter.add({"loss": losses.total, **losses.parts}, weight=1 / config.data.accumulate)
            norm = fabric.clip_gradients(
                module, optimizer, max_norm=config.optimiser.clip_norm or math.inf, error_if_nonfinite=False
            )
            assert norm is not None  # it is None for sharded models only
            optimizer.step()
            optimizer.zero_grad()
            if state.average is not None:
                state.average.update_parameters(state.model)
            state.meter.add({"grad_norm": norm})
            state.meter.count()
            state.step += 1
            if logger is not None:
                logger.tick()

            due = Due.after(state.step, config)
            if not (any(due) or (alone and interrupt.asked)):
                continue
            state.seconds += time.perf_counter() - mark
            state.meter.share(fabric)
            _require_finite(state)
            stop = _any(fabric, interrupt.asked)
            if due.log:
                if logger is not None:
                    logger.log(lr, validate=due.validate)
                state.meter.clear()
            if logger is not None and due.picture:
                logger.draw()
            if logger is not None and (due.keep or stop):
                logger.keep()
            if stop:
                raise KeyboardInterrupt
            mark = time.perf_counter()


def _batches(job: Job[B], fabric: Fabric, first_step: int) -> Generator[B, None, None]:
    """This process's share of the clips of every step, one batch per pass."""
    config, world = job.recipe.config, fabric.world_size
    size = config.data.batch_size // (world * config.data.accumulate)

    def make(request: tuple[int, int]) -> B:
        step, part = request
        start = step * config.data.batch_size + (part * world + fabric.global_rank) * size
        if config.data.distinct_clips:
            start %= config.data.distinct_clips
        return job.source.batch(range(start, start + size), job.recipe.shape(step), str(fabric.device))

    requests = ((step, part) for step in range(first_step, config.steps) for part in range(config.data.accumulate))
    return made_ahead(requests, make, PREFETCHED if config.data.workers else 0)


def _require_finite(state: State) -> None:
    """Raise UserError if the loss or the gradient is not finite, before anything is written."""
    if broken := [name for name, value in state.meter.means().items() if not math.isfinite(value)]:
        raise UserError(
            f"Training diverged before step {state.step}",
            f"{', '.join(broken)} is no longer finite; the last checkpoint is still good",
            try_="a smaller lr, or precision=fp32",
        )


def _any(fabric: Fabric, asked: bool) -> bool:
    """Whether any process was asked to stop. All processes must call this."""
    if fabric.world_size == 1:
        return asked
    total = fabric.all_reduce(torch.tensor(float(asked), device=fabric.device), reduce_op="sum")
    return bool(total)
