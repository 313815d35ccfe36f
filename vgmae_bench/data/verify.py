"""Checks a whole dataset: are the files unchanged since the download, and is every clip usable?"""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any, Literal

from vgmae_bench import plugins
from vgmae_bench.data.appearance import misread
from vgmae_bench.data.dataset import OpenedDataset
from vgmae_bench.data.files.fetch import missing
from vgmae_bench.data.files.index import cached_index
from vgmae_bench.data.files.root import SUMS, compare_sums, data_root, locate, prepared_path, read_sums
from vgmae_bench.data.open import open_dataset
from vgmae_bench.errors import UserError
from vgmae_bench.files import file_digest
from vgmae_bench.progress.bar import counted


@dataclass(frozen=True)
class Finding:
    """One result of `verify`.

    Attributes:
        severity: "error" if results would be wrong or missing; "note" for information.
        where: the file or the clip.
        fault: the fault.
    """

    severity: Literal["error", "note"]
    where: str
    fault: str


def paths(name: str, root: Path | None = None) -> list[Path]:
    """The existing files of a dataset: its prepared form, which takes precedence, then the published files."""
    spec, where = plugins.find("datasets", name).spec, data_root(root)
    prepared = prepared_path(where, spec.name)
    return [*([prepared] if prepared.is_file() else []), *locate(spec, where)]


def verify(name: str, root: Path | None = None, options: Mapping[str, Any] | None = None) -> list[Finding]:
    """Hash every file, open every clip and decode every frame. Nothing is downloaded.

    Arguments:
        options: settings of the dataset.

    Returns:
        The findings. If all of them are notes, the dataset is usable.

    Raises:
        MissingDataError: there are no files to check.
        UnknownNameError: there is no such dataset.
    """
    spec = plugins.find("datasets", name).spec
    files = paths(name, root)
    if spec.location and not files:
        raise missing(spec, data_root(root))
    findings = list(_check_files(files))
    try:
        dataset = open_dataset(name, options, root, quiet=True)
    except UserError as error:
        return [*findings, Finding("error", name, error.sentence)]
    findings += [Finding("note", name, note) for note in dataset.notes]
    if spec.published_clips not in (None, len(dataset.ids)):
        fault = f"it has {len(dataset.ids)} clips, the published set {spec.published_clips}"
        findings.append(Finding("note", name, fault))
    return [*findings, *_check_clips(dataset)]


def _check_files(files: list[Path]) -> Iterator[Finding]:
    """Compare the files with the digests recorded at download, and with the cached digests of unchanged files."""
    for file in counted(files, "hashing", "files"):
        digest = file_digest(file)
        recorded = read_sums(file.parent).get(file.name)
        known = cached_index(file)
        if recorded is not None and digest != recorded:
            fault = f"it has changed since it was first used: its SHA-256 is {digest}; {SUMS} beside it says {recorded}"
            yield Finding("error", str(file), fault)
        elif known is not None and digest != known.sha256:
            yield Finding("error", str(file), "its content has changed, but neither its size nor its date has")
        elif recorded is None:
            compare_sums({file: digest})
            fault = f"seen for the first time; its SHA-256, {digest}, is compared from now on"
            yield Finding("note", str(file), fault)
    for folder in sorted({file.parent for file in files}):
        for name in read_sums(folder):
            if not (folder / name).exists():
                yield Finding("error", str(folder / name), f"it is missing, although {SUMS} lists it")


def _check_clips(dataset: OpenedDataset) -> Iterator[Finding]:
    for clip_id in counted(dataset.ids, "decoding", "clips"):
        try:
            clip = dataset.clip(clip_id)
            frames = clip.read()
        except UserError as error:
            yield Finding("error", clip_id, error.sentence)
            continue
        if better := misread(clip.points, clip.occluded, frames, clip.size):
            yield Finding("error", clip_id, f"{better}. Try: {better.remedy}")
        if clip.points.dtype.name == "float16":
            yield Finding("note", clip_id, "its points are float16, in steps of up to 0.12 pixels of a frame of 256")
        if frames.max() <= 1:
            yield Finding("note", clip_id, "all its pixels are 0 or 1: it is black")
