"""Matches the names of clips in files of other programs with the clips of a dataset."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import replace
from urllib.parse import unquote

from vgmae_bench.errors import BadDataError
from vgmae_bench.evaluation.other_programs.prediction_file import PredictionFile, Tree
from vgmae_bench.evaluation.store import file_name
from vgmae_bench.plugins import did_you_mean


def named(file: PredictionFile, ids: Sequence[str]) -> PredictionFile:
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
