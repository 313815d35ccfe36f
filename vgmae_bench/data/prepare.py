"""Makes the prepared form of a dataset from its published files."""

from __future__ import annotations

import math
from collections.abc import Callable, Iterable, Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from vgmae_bench import __version__, config, plugins
from vgmae_bench.config import Json
from vgmae_bench.data.checks import checked_clip
from vgmae_bench.data.dataset import OpenedDataset, Stored
from vgmae_bench.data.files.fetch import install, print_terms
from vgmae_bench.data.files.index import digest_of
from vgmae_bench.data.files.root import add_sums, check_disk_space, data_root, locate, prepared_path
from vgmae_bench.data.open import open_dataset
from vgmae_bench.data.prepared import Lossless, write_prepared
from vgmae_bench.errors import UsageError
from vgmae_bench.files import ANOTHER_DATA_ROOT, file_digest, make_folder
from vgmae_bench.plugins import DatasetSpec
from vgmae_bench.progress.bar import counted
from vgmae_bench.types import Clip


@dataclass(frozen=True)
class Raw:
    """What the preparer of a dataset (`DatasetSpec.preparer`) returns.

    Attributes:
        clips: read one at a time. Their ids are valid file names.
        total: the number of clips, for the display of progress.
        about: provenance for the prepared file. It may be filled while `clips` is read. "sources": [path, SHA-256] of the
            files read. "missing": ids of the published clips that are not present. "identity": what the scores depend on,
            if that is more permanent than the encoded frames.
        size: upper estimate of the size of the prepared form, in bytes.
        lossless: storage of frames that are pixels. RAW reads fastest, and suits datasets that are published so.
    """

    clips: Iterable[Clip]
    total: int
    about: dict[str, Json]
    size: int
    lossless: Lossless = "PNG"


def prepare(
    name: str,
    root: Path | None = None,
    source: Path | None = None,
    quality: int | None = None,
    options: Mapping[str, Any] | None = None,
    *,
    small: bool = False,
) -> Path:
    """Make the prepared form of a dataset in the data root, and replace an older one. Download files that can be downloaded.

    Arguments:
        name: the dataset's name.
        root: the data root; None for the default.
        source: the user's files: for `kinetics` the folder of videos, otherwise see `vgmae_bench.data.files.fetch.install`.
        quality: JPEG quality, 1 to 100, for frames that are published as pixels; None stores them without loss.
        options: settings of the dataset's preparer.
        small: store pixels as PNGs, even those that are published raw. They take half the space and read more slowly.

    Returns:
        The path of the prepared file.

    Raises:
        UsageError: the dataset needs no files, or has no such settings.
        MissingDataError: the dataset's files are missing, or the disk has no room for the prepared form.
        BadDataError: a clip is damaged. The message names it.
        StorageError: the file cannot be written. An older one is unchanged.
    """
    plugin = plugins.find("datasets", name)
    spec, where = plugin.spec, data_root(root)
    if spec.embedded:
        raise UsageError(f"{spec.name} needs no preparation", "vgmae-bench contains or generates its clips")
    path = prepared_path(where, spec.name)
    if spec.preparer:
        preparer: Callable[..., Raw] = plugins.load_reference(plugin, spec.preparer)
        raw, _ = config.call_with(preparer, options or {}, owner=spec.name, root=where, source=source)
    else:
        if not spec.location:
            raise UsageError(f"{spec.name} is read as it is", "there is nothing to prepare")
        if options:
            raise UsageError(f"Preparing {spec.name} has no settings", f'"{next(iter(options))}" was given')
        if source is not None:
            install(spec, where, source)
        raw = raw_from_dataset(spec, open_dataset(name, root=where, use_prepared=False, quiet=True), where)
    print_terms(spec)
    if quality is not None:
        raw.about.pop("identity", None)
    make_folder(path.parent, ANOTHER_DATA_ROOT)
    check_disk_space(raw.size, path.parent, f"for the prepared form of {spec.name}")
    lossless: Lossless = "PNG" if small else raw.lossless
    raw.about.update(
        dataset=spec.name,
        tool=f"vgmae-bench {__version__}",
        licence=spec.licence,
        citation=spec.citation,
        published=spec.published_clips,
        pixels=lossless if quality is None else f"JPEG, quality {quality}",
    )
    checked = (checked_clip(clip, f'Clip "{clip.id}" of {spec.name} cannot be used', spec.name) for clip in raw.clips)
    shown = counted(checked, f"preparing {spec.name}", "clips", raw.total)
    write_prepared(path, raw.about, shown, quality, lossless)
    add_sums(path.parent, {path.name: file_digest(path)})
    return path


def raw_from_dataset(spec: DatasetSpec, dataset: OpenedDataset, root: Path) -> Raw:
    """The clips of a dataset opened with its default settings. Frames that are JPEGs or pixels are not changed."""
    files, stored = locate(spec, root), dataset.source if isinstance(dataset.source, Stored) else None
    about: dict[str, Json] = {
        "sources": [[str(file.relative_to(root)), digest_of(file)] for file in files],
        "missing": None if dataset.coverage is None else config.to_json(dataset.coverage.missing),
        "identity": dict(stored.identity) if stored else {"dataset": dataset.digest},
    }
    pixels = sum(3 * math.prod(shape) for shape in stored.shapes.values() if shape) if stored else 0
    published = sum(file.stat().st_size for file in files)
    clips = (dataset.clip(clip_id) for clip_id in dataset.ids)
    lossless: Lossless = "RAW" if 0 < pixels <= published else "PNG"  # smaller files do not hold raw pixels
    return Raw(clips, len(dataset.ids), about, min(pixels, published), lossless)
