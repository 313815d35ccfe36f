"""Methods and datasets that are given as names or as Python objects."""

from __future__ import annotations

import hashlib
import inspect
import re
import uuid
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

from vgmae_bench import config, plugins
from vgmae_bench.data.dataset import Dataset, OpenedDataset
from vgmae_bench.errors import UsageError
from vgmae_bench.evaluation.method import Method, as_method, open_method, resolve_device
from vgmae_bench.evaluation.records.results import SESSION_SOURCE, MethodUsed
from vgmae_bench.specs import MethodSpec
from vgmae_bench.types import Clip, Noted, Tracker

AnyMethod = str | Tracker | type
"""The name of a method, `file.py:Class`, a tracker, or a class that makes one."""
AnyDataset = str | Dataset | OpenedDataset | Sequence[Clip]
"""The name of a dataset, `file.py:Class`, a dataset, or clips."""

_HERE = "a Python session"


class Clips:
    """A dataset of clips in memory. Its digest covers their frames and tracks."""

    def __init__(self, clips: Sequence[Clip]) -> None:
        self._clips = {clip.id: clip for clip in clips}
        self.ids = [clip.id for clip in clips]
        self.digest = _digest(clips)

    def clip(self, clip_id: str) -> Clip:
        """The clip with this id."""
        return self._clips[clip_id]


def method_of(
    method: AnyMethod,
    *,
    weights: str | Path | None = None,
    settings: Mapping[str, Any] | None = None,
    device: str = "auto",
    seed: int = 0,
    causal: bool = False,
    ask: str | None = None,
) -> Method:
    """A method that is ready for tracking.

    A record cannot name a tracker or a class. It says that the method was defined in a Python session, and contains a new
    source each time, so that no two such runs count as the same.

    Arguments:
        method: see `AnyMethod`. A class is called with those of `config`, `weights`, `device` and `seed` that it names.
        weights, settings, device, seed: see `vgmae_bench.evaluate`.
        causal: for a tracker or a class: it tracks forward in time only. Its attribute `direction` has the same meaning.
        ask: how many queries a call has, see `vgmae_bench.evaluation.asking.parse`; None: as suits the tracker.

    Raises:
        UserError: it cannot be found or built, or it is no tracker.
    """
    if isinstance(method, str):
        named = None if weights is None else str(weights)
        return open_method(method, weights=named, settings=settings or {}, device=device, seed=seed, ask=ask)
    where = resolve_device(device)
    name = name_of(method)
    built: config.Built[Any] = config.Built(method, None)
    if inspect.isclass(method):
        path = None if weights is None else Path(weights)
        factory: Any = method
        built = config.call_with(factory, settings or {}, owner=name, weights=path, device=where, seed=seed)
    elif settings or weights is not None:
        raise UsageError(f"{name} is already built", "settings and weights are for names and classes")
    note = built.product.note if isinstance(built.product, Noted) else ""
    used = MethodUsed(
        name=_as_name(name),
        settings=built.settings,
        seed=seed,
        source=f"{SESSION_SOURCE}{uuid.uuid4().hex}",
        note=", ".join(filter(None, [note, f"from {_HERE}"])),
    )
    spec = MethodSpec(name=used.name, summary=f"defined in {_HERE}", causal=causal)
    plugin = plugins.Plugin(used.name, spec, "", _HERE, "", "")
    return as_method(plugin, built.product, used, where, ask)


def dataset_of(
    dataset: AnyDataset, *, settings: Mapping[str, Any] | None = None, data_root: str | Path | None = None
) -> OpenedDataset:
    """A dataset, opened and checked.

    Arguments:
        dataset: see `AnyDataset`.
        settings: for a name.
        data_root: folder of the datasets; None: the usual one.

    Raises:
        UserError: it cannot be found, opened or read, or it is no dataset.
    """
    from vgmae_bench.data.open import open_dataset

    if isinstance(dataset, str):
        return open_dataset(dataset, settings or {}, None if data_root is None else Path(data_root))
    if settings:
        raise UsageError("This dataset is open already", "settings are for datasets that are given by name")
    if isinstance(dataset, OpenedDataset):
        return dataset
    source: Any = dataset
    if isinstance(dataset, Sequence) and not isinstance(dataset, str) and all(isinstance(c, Clip) for c in dataset):
        source = Clips(dataset)
    return OpenedDataset(source, _as_name(type(source).__name__))


def name_of(thing: object) -> str:
    """The name of a class, or of an object's class."""
    return thing.__name__ if inspect.isclass(thing) else type(thing).__name__


def _as_name(name: str) -> str:
    """A name that is valid as a folder name."""
    return re.sub(r"[^\w.-]", "-", name)


def _digest(clips: Sequence[Clip]) -> str:
    """SHA-256 (hex) of everything that scores on the clips depend on."""
    total = hashlib.sha256()
    for clip in clips:
        total.update(repr((clip.id, clip.size, clip.num_frames)).encode())
        for array in (clip.points, clip.occluded, clip.annotated, clip.radius, clip.asked, clip.frames()):
            total.update(b"-" if array is None else repr((array.dtype, array.shape)).encode() + array.tobytes())
    return total.hexdigest()
