"""Checks of a dataset: ids, clips, and a digest that follows the content."""

from __future__ import annotations

import dataclasses
import hashlib
import typing
from collections.abc import Callable, Iterator, Mapping
from typing import Any

import numpy as np

from vgmae_bench.conformance.findings import Finding
from vgmae_bench.data.appearance import misread
from vgmae_bench.data.dataset import OpenedDataset
from vgmae_bench.errors import MissingDataError, UsageError, UserError
from vgmae_bench.types import Clip

Open = Callable[[Mapping[str, Any]], OpenedDataset]
"""Opens the dataset with settings."""
_DIGEST = "the digest must change if and only if scores can change: hash the content of the clips"


def check_dataset(
    open_with: Open, settings: Mapping[str, Any], config: type[Any] | None, clips: int = 4
) -> Iterator[Finding]:
    """Check a dataset. The findings come one by one.

    Arguments:
        open_with: opens the dataset again with the given settings.
        settings: the user's settings.
        config: the dataclass of its settings; None if it has none.
        clips: the number of clips to read, spread evenly over the dataset.
    """
    try:
        dataset, again = open_with(settings), open_with(settings)
    except MissingDataError as error:
        yield Finding("opens", "info", f"cannot tell: {error.reason}")
        return
    except UsageError:
        raise
    except UserError as error:
        mend = error.try_ or "python -c 'import vgmae_bench; help(vgmae_bench.Dataset)'"
        yield Finding("opens", "fault", error.reason, "No run can use it", mend)
        return
    yield from _ids(dataset, again)
    number = len(dataset.ids)
    chosen = [dataset.ids[n] for n in np.linspace(0, number - 1, min(clips, number)).round().astype(int)]
    broken: list[Finding] = []
    contents: dict[str, str] = {}
    for clip_id in chosen:
        try:
            clip = dataset.clip(clip_id)
            contents[clip_id] = content_of(clip)
            broken += _clip(clip)
        except MissingDataError as error:
            yield Finding("clips", "info", f"cannot tell: {error.reason}")
            return
        except UserError as error:
            why = "It fails in every run, and averages leave it out"
            broken.append(Finding("clips", "fault", error.reason, why, error.try_ or "see vgmae_bench.Clip"))
    yield from broken
    if chosen and not any(finding.verdict == "fault" for finding in broken):
        what = f"{len(chosen)} of {len(dataset.ids)} clips: fractions, dtypes, equal numbers of frames and positions"
        yield Finding("clips", "pass", what)
    if contents:
        yield from _digest(dataset, again, contents)
    if config is not None and contents:
        yield from _settings(open_with, settings, config, dataset, contents)


def _ids(dataset: OpenedDataset, again: OpenedDataset) -> Iterator[Finding]:
    if dataset.ids != again.ids:
        why = "Runs that are resumed or sharded would mix clips up"
        yield Finding("ids", "fault", "opened twice, its ids differ", why, "sort what a folder or a set lists")
    else:
        yield Finding("ids", "pass", f"{len(dataset.ids)}, unique and the same when opened again")


def _clip(clip: Clip) -> Iterator[Finding]:
    frames = clip.frames()
    if clip.occluded.all():
        why = "No query is possible: it counts as a clip without queries"
        mend = "is occluded inverted? Otherwise leave the clip out"
        yield Finding("clips", "fault", f"{clip.id}: no point is visible in any frame", why, mend)
    never = int(clip.occluded.all(axis=1).sum())
    if 0 < never < len(clip.occluded):
        what = f"{clip.id}: {never} of {len(clip.occluded)} points are never visible and get no query"
        yield Finding("clips", "info", what)
    if frames.max() <= 1:
        why, mend = "No tracker can see anything", "are they fractions? (video * 255).round().astype(np.uint8)"
        yield Finding("clips", "fault", f"{clip.id}: all its pixels are 0 or 1", why, mend)
    elif (better := misread(clip.points, clip.occluded, frames, clip.size)) is not None:
        yield Finding("clips", "fault", f"{clip.id}: {better}", "Every method scores badly on it", better.remedy)


def _digest(dataset: OpenedDataset, again: OpenedDataset, contents: Mapping[str, str]) -> Iterator[Finding]:
    """A second opening gives the same content and the same digest. A second reading gives the same content."""
    reread = {clip_id: content_of(dataset.clip(clip_id)) for clip_id in contents}
    anew = {clip_id: content_of(again.clip(clip_id)) for clip_id in contents if clip_id in again.ids}
    changed = [clip_id for clip_id in contents if reread[clip_id] != contents[clip_id]]
    other = [clip_id for clip_id in anew if anew[clip_id] != contents[clip_id]]
    if changed:
        why = "The scored clip is not the tracked clip"
        mend = "draw random numbers from a seed for each clip"
        yield Finding("clips", "fault", f"{changed[0]}: read twice, it differs", why, mend)
    elif other and dataset.digest == again.digest:
        why = "Tables would compare runs on different data"
        yield Finding("digest", "fault", f"opened twice, {other[0]} differs and the digest does not", why, _DIGEST)
    elif not other and dataset.digest != again.digest:
        why = "No run could be resumed, and no two compared"
        yield Finding("digest", "fault", "opened twice, the digest differs and the clips do not", why, _DIGEST)
    else:
        yield Finding("digest", "pass", "the same for the same clips")


def _settings(
    open_with: Open, settings: Mapping[str, Any], config: type[Any], dataset: OpenedDataset, contents: Mapping[str, str]
) -> Iterator[Finding]:
    """Settings that change clips change the digest."""
    first = next(iter(contents))
    followed: list[str] = []
    ignored: list[str] = []
    for name, value in _variations(config, settings):
        try:
            varied = open_with({**settings, name: value})
            differs = varied.ids != dataset.ids or content_of(varied.clip(first)) != contents[first]
        except UserError:
            continue  # the dataset refuses this value
        if differs:
            (ignored if varied.digest == dataset.digest else followed).append(f"{name}={value}")
    if ignored:
        why = "Tables would compare runs on different data"
        yield Finding("digest", "fault", f"{', '.join(ignored)} changes clips and not the digest", why, _DIGEST)
    elif followed:
        yield Finding("digest", "pass", f"it follows {', '.join(followed)}")
    else:
        yield Finding("digest", "info", "cannot tell whether it follows the content: no setting changes the first clip")


def _variations(config: type[Any], settings: Mapping[str, Any]) -> Iterator[tuple[str, Any]]:
    """Another value for each setting that is a number, a switch or a choice."""
    types = typing.get_type_hints(config)
    for field in dataclasses.fields(config):
        value = settings.get(field.name, field.default)
        choices = typing.get_args(types[field.name]) if typing.get_origin(types[field.name]) is typing.Literal else ()
        if isinstance(value, bool):
            yield field.name, not value
        elif isinstance(value, int):
            yield field.name, value + 1
        elif isinstance(value, float):
            yield field.name, value * 1.25
        elif others := [choice for choice in choices if choice != value]:
            yield field.name, others[0]


def content_of(clip: Clip) -> str:
    """SHA-256 (hex) of everything in a clip that affects scores, including its frames."""
    total = hashlib.sha256()
    for part in (clip.points, clip.occluded, clip.annotated, clip.radius, clip.asked, clip.frames()):
        total.update(
            b"-" if part is None else repr((part.dtype, part.shape)).encode() + np.ascontiguousarray(part).tobytes()
        )
    return total.hexdigest()
