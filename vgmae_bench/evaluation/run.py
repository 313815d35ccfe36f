"""One run: find the plugins, make a plan, predict the missing clips, score all predictions."""

from __future__ import annotations

import logging
import os
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from functools import partial
from pathlib import Path
from typing import Any, Literal, cast

from PIL import Image

from vgmae_bench import config
from vgmae_bench.data.dataset import Dataset, OpenedDataset
from vgmae_bench.errors import UsageError
from vgmae_bench.evaluation import protocols
from vgmae_bench.evaluation.method import Method
from vgmae_bench.evaluation.predict import StoppedError, predict
from vgmae_bench.evaluation.protocols import EvalProtocol, query_sets
from vgmae_bench.evaluation.records.results import (
    DatasetUsed,
    ExternalPredictions,
    MethodUsed,
    Record,
    Session,
    Summary,
    run_key,
)
from vgmae_bench.evaluation.score import score_run
from vgmae_bench.evaluation.store import RunFolder, place_of, start_session
from vgmae_bench.files import write_atomically
from vgmae_bench.settings import environment_number
from vgmae_bench.viz.draw import contact_sheet

_log = logging.getLogger(__name__)

Redo = Literal["nothing", "predictions", "metrics", "all"]


@dataclass(frozen=True)
class Plan:
    """A run before its work starts. Everything has been found, loaded and checked."""

    method: Method
    dataset: OpenedDataset
    record: Record
    folder: RunFolder
    share: Sequence[str]

    @property
    def open_clips(self) -> list[str]:
        """Clips of this process's share that have no prediction yet."""
        return [clip_id for clip_id in self.share if not self.folder.has_prediction(clip_id)]


def plan_of(
    method: Method,
    dataset: OpenedDataset,
    protocol: EvalProtocol,
    *,
    out: Path = Path("results"),
    limit: int | None = None,
    shard: tuple[int, int] | None = None,
    name: str = "",
) -> Plan:
    """A plan for a method and a dataset that are already open. Nothing is written.

    Arguments:
        out: the results folder.
        limit: predict at most this many clips, from the first.
        shard: (i, n): this process takes every n-th clip, beginning with clip i modulo n.
        name: the run's name in tables; empty: the method's name with its weights.

    Raises:
        UsageError: limit is below 1, or shard has no parts.
    """
    if limit is not None and limit < 1:
        raise UsageError(f"limit={limit} leaves no clips", "it must be at least 1")
    first, step = shard or (0, 1)
    if step < 1:
        raise UsageError(f"shard={shard} is no shard", "(1, 8) is the second of eight")
    record, folder = place_of(new_record(method.used, dataset, protocol, name=name), out)
    return Plan(method, dataset, record, folder, share=dataset.ids[:limit][first % step :: step])


def new_record(
    method: MethodUsed,
    dataset: OpenedDataset,
    protocol: EvalProtocol,
    *,
    name: str = "",
    external: ExternalPredictions | None = None,
) -> Record:
    """The record of a run before its first session.

    Arguments:
        name, external: see `Record`.
    """
    used = DatasetUsed(
        name=dataset.name,
        digest=dataset.digest,
        settings=cast(dict[str, Any], config.to_json(dataset.settings)),
        options=dataset.options,
        published_clips=dataset.published_clips,
        coverage=dataset.coverage,
        files=[file.name for file in dataset.files],
    )
    return Record(
        key=run_key(method, used, protocol),
        name=name,
        method=method,
        dataset=used,
        protocol=protocol,
        protocol_digest=protocol.digest(used.digest),
        protocol_sentence=protocols.sentence_for(dataset, protocol),
        external=external,
    )


def execute(
    plan: Plan,
    *,
    redo: Redo = "nothing",
    figures: int = 1,
    command: str = "",
    allow_nonfinite: bool = False,
) -> Summary:
    """Predict the missing clips, then score all predictions.

    Arguments:
        redo: "predictions" or "all" predicts this process's clips again. "metrics" only scores. Scores are always
            computed anew.
        figures: draw the tracks of this many clips, from the first.
        command: the command line, for the record.
        allow_nonfinite: keep positions that are not finite. Otherwise a clip with one fails.

    Returns:
        The content of summary.json.

    Raises:
        StorageError: results cannot be written.
        StoppedError: the tracker failed in the same place for several clips in a row. The existing predictions were
            scored.
    """
    protocol = plan.record.protocol
    plan.folder.create()
    session = Session.now(plan.method.device, command)
    start_session(plan.folder, plan.record, session)
    stopped: StoppedError | None = None
    if redo != "metrics":
        try:
            predict(
                plan.method.tracker,
                plan.dataset,
                plan.share,
                protocol,
                plan.folder,
                how=plan.method.how,
                made_by=session.maker,
                redo=redo in ("predictions", "all"),
                allow_nonfinite=allow_nonfinite,
            )
        except StoppedError as error:
            stopped = error
    summary = score_run(plan.folder, plan.dataset.ids)
    if stopped is not None:
        raise stopped
    if not summary.failures:
        plan.folder.traceback.unlink(missing_ok=True)
    draw_clips(plan.folder, plan.dataset, plan.dataset.ids[:figures], protocol)
    return summary


def draw_clips(folder: RunFolder, dataset: Dataset, clip_ids: Sequence[str], protocol: EvalProtocol) -> list[Path]:
    """Draw the given clips that have a prediction to figures/<clip>.jpg. Hidden points are hollow.

    A picture shows the clip's first query set, and of it the queries in the earliest query frame.

    Returns:
        The paths of the pictures.
    """
    drawn = []
    for clip_id in clip_ids:
        picture = folder.picture(clip_id)
        answered = folder.read_prediction(clip_id) if folder.has_prediction(clip_id) else []
        if not answered:
            continue
        query_set, tracks = answered[0]
        frames, _ = next(query_sets(dataset.clip(clip_id), protocol))
        shown = query_set.queries.frame == query_set.queries.frame.min()
        sheet = contact_sheet(frames, tracks[shown])
        picture.parent.mkdir(exist_ok=True)
        write_atomically(picture, partial(Image.fromarray(sheet).save, format="JPEG", quality=88))
        drawn.append(picture)
    return drawn


def shard_from_environment(environment: Mapping[str, str] = os.environ) -> tuple[int, int] | None:
    """(rank, number of processes) as torchrun or srun set them. None for a process that runs alone.

    If SLURM reserved several tasks, but srun did not start this process, a warning is logged.

    Raises:
        UsageError: a variable is not a number, or the rank is not below the number of processes.
    """
    for rank, world in (("RANK", "WORLD_SIZE"), ("SLURM_PROCID", "SLURM_STEP_NUM_TASKS")):
        processes = environment_number(world, 1, environment)
        if processes > 1:
            own = environment_number(rank, None, environment)
            if own is None or own >= processes:
                why = f"{rank} must be a number from 0 to {processes - 1}"
                raise UsageError(f"{world} is {processes}, but {rank} is {environment.get(rank) or 'not set'}", why)
            return own, processes
    reserved = environment_number("SLURM_NTASKS", 1, environment)
    if reserved > 1:
        _log.warning(
            f"SLURM reserved {reserved} tasks, but srun did not start this process: it predicts all clips. Try: srun …"
        )
    return None


def parse_shard(text: str) -> tuple[int, int]:
    """ "2/8" → (2, 8): the second of eight. 0/8 means 8/8, so that counting from 0 works as well.

    Raises:
        UsageError: the text is not i/n with 0 ≤ i ≤ n.
    """
    part, slash, parts = text.partition("/")
    if not (slash and part.isdigit() and parts.isdigit() and int(part) <= int(parts) and int(parts) > 0):
        raise UsageError(f'"{text}" is no shard', "a shard looks like 2/8, the second of eight")
    return int(part), int(parts)
