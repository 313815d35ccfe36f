"""Scores predictions of another program. The result is an ordinary run that notes where its predictions came from."""

from __future__ import annotations

import itertools
import logging
import os
import re
import tempfile
from collections.abc import Callable, Collection, Iterator, Mapping, Sequence
from contextlib import suppress
from dataclasses import astuple, dataclass, replace
from pathlib import Path
from typing import Any
from urllib.parse import unquote

from vgmae_bench import config
from vgmae_bench.data.dataset import OpenedDataset
from vgmae_bench.data.open import open_dataset
from vgmae_bench.errors import BadDataError, UsageError, UserError
from vgmae_bench.evaluation import protocols
from vgmae_bench.evaluation.other_programs.convention import Convention, packed
from vgmae_bench.evaluation.other_programs.plausibility import ClipLook, doubts, look
from vgmae_bench.evaluation.other_programs.prediction_file import PredictionFile, Tree, open_predictions
from vgmae_bench.evaluation.other_programs.track_arrays import NEAR, coarse_dtype, detect, query_set_trees, read_tracks
from vgmae_bench.evaluation.protocols import EvalProtocol, QuerySet, query_sets
from vgmae_bench.evaluation.records.results import ExternalPredictions, MethodUsed, Session, Summary
from vgmae_bench.evaluation.run import draw_clips, new_record
from vgmae_bench.evaluation.score import score_run
from vgmae_bench.evaluation.store import RunFolder, file_name, folder_of, start_session
from vgmae_bench.files import make_folder
from vgmae_bench.metrics.scored_tracks import QueryMode
from vgmae_bench.plugins import did_you_mean
from vgmae_bench.types import Clip, Tracks

_log = logging.getLogger(__name__)

NOTE = "external predictions"
"""The note in the record of every such run. Tables show it beside the method's name."""

_SAMPLE = 5
"""The number of clips that detection of a convention uses."""


@dataclass(frozen=True)
class Submission:
    """Checked predictions of another program, before they become a run.

    Attributes:
        file: the opened file.
        convention: how the file is read.
        remark: how the convention was found, for the user.
    """

    file: PredictionFile
    dataset: OpenedDataset
    protocol: EvalProtocol
    convention: Convention
    remark: str

    def answered(self, clip: Clip, looks: list[ClipLook]) -> list[tuple[QuerySet, Tracks]] | None:
        """The protocol's query sets for a clip with the file's predictions; None if the file lacks the clip.

        Arguments:
            looks: this function appends one entry for each query set, for `plausibility.doubts`.

        Raises:
            BadDataError: arrays do not fit, see `vgmae_bench.evaluation.other_programs.track_arrays.read_tracks`.
        """
        asked = _asked(clip, self.protocol)
        if asked and clip.id not in self.file.clips:
            return None
        answered, how = [], (self.convention, clip.size, self.protocol)
        for tree, query_set, where in _paired(self.file, clip.id, asked):
            tracks = read_tracks(tree, query_set, *how, where)
            looks.append(look(clip.id, query_set, tracks, *how, coarse_dtype(tree)))
            answered.append((query_set, tracks))
        return answered


def open_submission(
    path: Path,
    dataset: str,
    *,
    query_mode: QueryMode | None = None,
    protocol: str | None = None,
    declared: Convention | None = None,
    dataset_settings: Mapping[str, Any] | None = None,
    data_root: Path | None = None,
) -> Submission:
    """Open predictions and find out how to read them. Nothing is written.

    Arguments:
        path: a file or folder, see `vgmae_bench.evaluation.other_programs.prediction_file`.
        dataset: a plugin name, or `path.py:Attribute`.
        query_mode, protocol: see `vgmae_bench.evaluation.protocols.find`. Without them, the protocol that the file
            names.
        declared: the convention that the user declares; None: nothing is declared.
        dataset_settings, data_root: as for a run.

    Raises:
        UserError: files cannot be read, the dataset lacks some of the clips, or the convention is not known.
    """
    file = open_predictions(path)
    told = file.about.get("protocol")
    chosen = protocols.find(protocol or (None if query_mode else told), query_mode)
    opened = open_dataset(dataset, dataset_settings or {}, data_root)
    if told not in (None, chosen.name):
        raise UsageError(
            f"{path} has predictions for {told}", f"it cannot be scored under {chosen.name}", try_=f"--protocol {told}"
        )
    if file.about.get("protocol_digest", chosen.digest(opened.digest)) != chosen.digest(opened.digest):
        raise BadDataError(
            f"{path} has predictions for other queries",
            f"{file.about.get('dataset')} had another version or other settings",
            try_="--dataset-set as for the run that was exported",
        )
    file = _named(file, opened.ids)
    sample = list(itertools.islice(_usable(opened, file.clips), _SAMPLE))
    convention, remark = _settle(file, sample, declared or Convention(), chosen)
    return Submission(file, opened, chosen, convention, remark)


def score_submission(
    submission: Submission, name: str, out: Path, *, figures: int = 1, command: str = ""
) -> tuple[RunFolder, Summary]:
    """Check every clip, then store the predictions as a run and score them.

    Doubts about the numbers, and metrics that are left out, are logged.

    Arguments:
        name: the method's name in tables.
        out: the results folder.
        figures: draw the tracks of this many clips, from the first.
        command: the command line, for the record.

    Returns:
        The run's folder and its scores. Clips that the file lacks count as failed.

    Raises:
        UsageError: `name` cannot name a folder.
        BadDataError: a clip has arrays that do not fit. Nothing has been written then.
        StorageError: results cannot be written.
    """
    if not re.fullmatch(r"\w[\w .+=@()-]*", name):
        raise UsageError(f'"{name}" cannot name a method', "it may have letters, digits, spaces and _.+=@()-")
    file, dataset, protocol = submission.file, submission.dataset, submission.protocol
    settings = {"predictions": file.sha256, "convention": config.to_json(submission.convention)}
    external = ExternalPredictions(file.path.name, file.sha256, dict(file.about), submission.remark)
    record = new_record(MethodUsed(name, settings, note=NOTE), dataset, protocol, external=external)
    folder = folder_of(record, out)
    make_folder(out)
    with tempfile.TemporaryDirectory(dir=out, prefix=".score-") as temporary:  # until every clip is checked
        staged = RunFolder(Path(temporary))
        staged.create()
        looks: list[ClipLook] = []
        for clip_id in dataset.ids:
            try:
                clip = dataset.clip(clip_id)
            except UserError as error:  # the others are still worth scoring
                staged.write_failure(clip_id, error.reason)
                _log.warning(f"{clip_id} failed: {error.reason}")
                continue
            answered = submission.answered(clip, looks)
            if answered is None:
                staged.write_failure(clip_id, f"{file.path.name} has no such clip")
            else:
                staged.write_prediction(clip_id, answered, None)
        found = doubts(looks)
        for doubt in found:
            _log.warning(f"doubtful: {doubt}")
        record = replace(record, external=replace(external, doubts=found))
        folder.create()
        start_session(folder, record, Session.now("cpu", command))
        for kept in staged.predictions.iterdir():
            os.replace(kept, folder.predictions / kept.name)  # whole files, which the staged run wrote atomically
    summary = score_run(folder, dataset.ids)
    draw_clips(folder, dataset, dataset.ids[:figures], protocol)
    return folder, summary


def _named(file: PredictionFile, ids: Sequence[str]) -> PredictionFile:
    """The file with the clip ids of the dataset, `ids`, as names. A list must have the dataset's clips in their order.

    Raises:
        BadDataError: the dataset does not have a clip, a clip occurs twice, or the list has another length.
    """
    if not file.named:
        if len(file.clips) != len(ids):
            raise BadDataError(f"{file.path} holds a list of {len(file.clips)} clips", f"the dataset has {len(ids)}")
        return replace(file, clips=dict(zip(ids, file.clips.values(), strict=True)))
    known = _known_names(ids)
    unknown = [name for name in file.clips if name not in known]
    if unknown:
        more = f" and {len(unknown) - 1} more" if len(unknown) > 1 else ""
        raise BadDataError(
            f'{file.path} holds "{unknown[0]}"{more}, which the dataset does not have',
            did_you_mean(unknown[0], ids) or f'its clips are called "{ids[0]}" and so on',
        )
    clips: dict[str, Callable[[], Tree]] = {}
    for name, open_clip in file.clips.items():
        if known[name] in clips:
            raise BadDataError(f"{file.path} holds {known[name]} twice", f'one of them is called "{name}"')
        clips[known[name]] = open_clip
    if not file.clips:
        raise BadDataError(f"{file.path} holds no clips")
    return replace(file, clips=clips)


def _known_names(ids: Sequence[str]) -> dict[str, str]:
    """Clip ids by possible names in files: the id, its file name in a run, and the name before percent-encoding."""
    known: dict[str, str] = {}
    for spelled in (str, file_name, unquote):
        names = [spelled(clip_id) for clip_id in ids]
        known = {name: clip_id for name, clip_id in zip(names, ids, strict=True) if names.count(name) == 1} | known
    return known


def _usable(dataset: OpenedDataset, names: Collection[str]) -> Iterator[Clip]:
    """The clips with these names that can be used."""
    for clip_id in dataset.ids:
        if clip_id in names:
            with suppress(UserError):
                yield dataset.clip(clip_id)


def _settle(
    file: PredictionFile, clips: Sequence[Clip], declared: Convention, protocol: EvalProtocol
) -> tuple[Convention, str]:
    """The convention, and a sentence that says how it was found.

    Raises:
        UsageError: the user's declaration contradicts the file, or the convention is not known.
    """
    if file.about:
        known = packed(protocol)
        if any(said not in (None, is_) for said, is_ in zip(astuple(declared), astuple(known), strict=True)):
            what = f"{file.path} declares its own convention: {known}"
            raise UsageError(what, "options that declare another one contradict it")
        return known, f"{known}, as the file says"
    samples = [
        (tree, query_set, clip.size, where)
        for clip in clips
        for tree, query_set, where in _paired(file, clip.id, _asked(clip, protocol))
    ]
    convention, distance = detect(samples, declared, protocol)
    how = "detected" if convention != declared else "declared"
    doubt = "" if distance <= NEAR else "; is the declared convention right?"
    found = f"in query frames, points are {distance:.2g} px (median) from their queries{doubt}"
    return convention, f"{convention}, {how}: {found}"


def _asked(clip: Clip, protocol: EvalProtocol) -> list[QuerySet]:
    return [query_set for _, query_set in query_sets(clip, protocol, blank=True)]


def _paired(file: PredictionFile, clip_id: str, asked: Sequence[QuerySet]) -> list[tuple[Tree, QuerySet, str]]:
    """The file's arrays with the query set that each answers and a name for messages.

    Raises:
        BadDataError: the file answers more or fewer query sets than the protocol has.
    """
    where = f"{file.path.name}, {clip_id}"
    trees = query_set_trees(file.clips[clip_id]()) if asked else []
    if len(trees) != len(asked):
        raise BadDataError(
            f"{where}: the file has {len(trees)} query sets, the protocol has {len(asked)}",
            "several query sets are groups named 0, 1 and so on",
            try_="vgmae-bench export --help",
        )
    names = [where] if len(asked) == 1 else [f"{where}, query set {number}" for number in range(len(asked))]
    return list(zip(trees, asked, names, strict=True))
