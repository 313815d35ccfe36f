"""Reads files of predictions that other programs wrote, as arrays by clip.

Reading never executes code from the file. The first bytes of a file decide its format (HDF5, NPZ, NPY, pickle), not its
name. Shapes are known before values are read, so that a wrong array is refused before it uses memory.
"""

from __future__ import annotations

import json
import zipfile
from collections.abc import Callable, Iterator, Mapping
from dataclasses import dataclass, field
from functools import partial
from pathlib import Path
from typing import Any

import h5py
import numpy as np
import numpy.typing as npt

from vgmae_bench import config
from vgmae_bench.data.tapvid import safe_pickle
from vgmae_bench.errors import BadDataError, MissingDataError, damage
from vgmae_bench.evaluation.other_programs.evaluators import is_torch, read_torch, refuse_averages
from vgmae_bench.files import file_digest, natural_order

PACKED = "vgmae-bench predictions 1"
"""The value of `about["format"]` in files with the layout of `vgmae_bench.evaluation.other_programs.export`."""


@dataclass(frozen=True)
class Stored:
    """An array in a file.

    Attributes:
        load: reads the values.
        where: the file, for messages.
    """

    shape: tuple[int, ...]
    dtype: np.dtype[Any]
    load: Callable[[], npt.NDArray[Any]]
    where: str

    def read(self) -> npt.NDArray[Any]:
        """The values. Raises BadDataError if the file is damaged."""
        with damage(f"{self.where} cannot be read"):
            return self.load()


Tree = dict[str, "Tree | Stored"]


@dataclass(frozen=True)
class PredictionFile:
    """The clips of a file or folder.

    Attributes:
        path: the file or folder.
        sha256: SHA-256 of the file. For a folder, SHA-256 of the names and digests of its files.
        about: the file's description of itself. Empty without the layout of
            `vgmae_bench.evaluation.other_programs.export`.
        clips: for each clip name, as the file has it, a function that opens its arrays.
        named: False if the file holds a list, so that clips have numbers instead of names.
    """

    path: Path
    sha256: str
    about: Mapping[str, Any] = field(default_factory=dict)
    clips: Mapping[str, Callable[[], Tree]] = field(default_factory=dict)
    named: bool = True


def open_predictions(path: Path) -> PredictionFile:
    """Open a file with many clips, or a folder with one file per clip.

    Raises:
        MissingDataError: the file does not exist.
        BadDataError: the file is damaged or of an unknown kind.
        UntrustedFileError: the file is a pickle of something other than plain data.
    """
    if path.is_dir():
        files = sorted((file for file in path.iterdir() if file.suffix in SUFFIXES), key=natural_order)
        if not files:
            raise BadDataError(f"{path} holds no predictions", f"none of its files ends in {', '.join(SUFFIXES)}")
        digest = config.digest({file.name: file_digest(file) for file in files})
        ours = all(_kind(file) == "HDF5" and "clip" in _open_file(file)[1] for file in files)  # files of a run
        about = {"format": PACKED} if ours else {}
        return PredictionFile(path, digest, about, {file.stem: partial(_open_clip, file) for file in files})
    if not path.is_file():
        raise MissingDataError(f"There is no file {path}")
    content, about = _open_file(path)
    if isinstance(content, list):
        numbered = {str(number): (lambda tree=tree: tree) for number, tree in enumerate(content)}
        return PredictionFile(path, file_digest(path), about, numbered, named=False)
    if not content or any(isinstance(part, Stored) for part in content.values()):
        content = {str(about.get("clip", path.stem)): content}  # the file holds the arrays of one clip
    clips = {name: (lambda part=part: part) for name, part in _parts_by_clip(content)}
    return PredictionFile(path, file_digest(path), about, clips)


def _parts_by_clip(content: Tree, before: str = "") -> Iterator[tuple[str, Tree]]:
    """The names of a file's clips and their arrays. A "/" in a clip's name has made groups within groups."""
    for name, part in content.items():
        if not isinstance(part, dict):
            continue
        if not part or any(isinstance(inner, Stored) or number.isdecimal() for number, inner in part.items()):
            yield before + name, part
        else:
            yield from _parts_by_clip(part, f"{before}{name}/")


SUFFIXES = (".h5", ".hdf5", ".npz", ".npy", ".pkl", ".pt", ".pth")
"""Endings of the files in a folder that are read as predictions."""


def _open_clip(path: Path) -> Tree:
    content, _ = _open_file(path)
    if isinstance(content, list):
        raise BadDataError(f"{path} holds a list", "each file of a folder must hold the arrays of one clip")
    return content


def _kind(path: Path) -> str:
    with path.open("rb") as file:
        start = file.read(8)
    kinds = {b"\x89HDF\r\n\x1a\n": "HDF5", b"\x93NUMPY": "NPY", b"PK\x03\x04": "NPZ", b"\x80": "pickle"}
    return next((kind for magic, kind in kinds.items() if start.startswith(magic)), "unknown")


def _open_file(path: Path) -> tuple[Tree | list[Tree], dict[str, Any]]:
    with damage(f"{path} cannot be read"):
        kind = _kind(path)
        if kind == "HDF5":
            return _hdf5(path)
        if kind == "NPZ" and is_torch(path):
            return _plain(read_torch(path), str(path)), {}
        if kind == "NPZ":
            return _npz(path)
        if kind == "NPY":
            with path.open("rb") as file:
                return _plain(_read_npy(file), str(path)), {}
        if kind == "pickle":
            return _plain(safe_pickle.load(path), str(path)), {}
    refuse_averages(path)
    raise BadDataError(
        f"{path} is not a file of predictions", "it is neither HDF5, NPZ, NPY, a torch file nor a pickle"
    )


def _hdf5(path: Path) -> tuple[Tree, dict[str, Any]]:
    file = h5py.File(path, "r")  # stays open as long as the tree is in use

    def walk(group: h5py.Group) -> Tree:
        tree: Tree = {}
        for name in group:
            link = group.get(name, getlink=True)
            item = group[name] if isinstance(link, h5py.HardLink) else None
            if isinstance(item, h5py.Group):
                tree[name] = walk(item)
            elif isinstance(item, h5py.Dataset) and not (item.is_virtual or item.external):
                tree[name] = Stored(item.shape, item.dtype, partial(item.__getitem__, ()), str(path))
            else:
                raise BadDataError(f"{path}: {name} points outside the file", "vgmae-bench does not follow links")
        return tree

    about = _about(path, file.attrs["about"]) if "about" in file.attrs else {}
    if "clip" in file.attrs:  # a prediction that a run keeps
        about = {"format": PACKED, "clip": file.attrs["clip"]}
    return walk(file), about


def _about(path: Path, text: Any) -> dict[str, Any]:
    about = json.loads(str(text))
    if not isinstance(about, dict) or about.get("format") != PACKED:
        raise BadDataError(f"{path} has an unknown layout", f'its "about" must say the format "{PACKED}"')
    return {name: value for name, value in about.items() if isinstance(value, str)}


def _npz(path: Path) -> tuple[Tree, dict[str, Any]]:
    archive = zipfile.ZipFile(path)  # stays open as long as the tree is in use
    names = [name for name in archive.namelist() if name.endswith(".npy")]
    if len(set(names)) < len(names):
        twice = next(name for name in names if names.count(name) > 1)
        raise BadDataError(f"{path} holds {twice} twice", "the valid one is unknown", try_="writing the file anew")
    if not names:
        raise BadDataError(f"{path} is a zip file without arrays", "it is neither an NPZ file nor a torch file")
    tree: Tree = {}
    about: dict[str, Any] = {}
    for name in names:
        *folders, last = name.removesuffix(".npy").split("/")
        with archive.open(name) as file:
            shape, dtype = _npy_header(file)
            size = archive.getinfo(name).file_size
        place = tree
        for folder in folders:
            place = place.setdefault(folder, {})  # type: ignore[assignment]  # an array there has no setdefault
        if dtype.hasobject:
            place[last] = _tree(_member(archive, name), f"{path}: {name}")
        elif int(np.prod(shape, dtype=object)) * dtype.itemsize > size:
            why = f"an array of shape {shape} does not fit in {size} bytes"
            raise BadDataError(f"{path}: {name} is cut short", why)
        elif name == "about.npy":
            about = _about(path, _member(archive, name))
        else:
            place[last] = Stored(shape, dtype, partial(_member, archive, name), str(path))
    return tree, about


def _member(archive: zipfile.ZipFile, name: str) -> Any:
    with archive.open(name) as file:
        return _read_npy(file)


def _npy_header(file: Any) -> tuple[tuple[int, ...], np.dtype[Any]]:
    version = np.lib.format.read_magic(file)
    read = np.lib.format.read_array_header_1_0 if version == (1, 0) else np.lib.format.read_array_header_2_0
    shape, _, dtype = read(file)
    return shape, dtype


def _read_npy(file: Any) -> Any:
    """The array in an open NPY file. An array of Python objects is read by the unpickler that executes nothing."""
    start = file.tell()
    _, dtype = _npy_header(file)
    if not dtype.hasobject:
        file.seek(start)
        return np.lib.format.read_array(file, allow_pickle=False)
    return safe_pickle.load(file).tolist()  # the object itself for shape (), else a list


def _plain(value: Any, where: str) -> Tree | list[Tree]:
    """Clips by name or in a list, from dicts, lists and arrays."""
    if isinstance(value, list):
        return [_branch(item, f"{where}: entry {number}") for number, item in enumerate(value)]
    return _branch(value, where)


def _branch(value: Any, where: str) -> Tree:
    if not isinstance(value, dict):
        raise BadDataError(f"{where} holds a {type(value).__name__}", "a dictionary of arrays was expected")
    told = {str(name): part for name, part in value.items() if isinstance(part, dict | np.ndarray)}
    return {name: _tree(part, f"{where}: {name}") for name, part in told.items()}


def _tree(value: Any, where: str) -> Tree | Stored:
    if isinstance(value, np.ndarray):
        return Stored(value.shape, value.dtype, lambda: value, where)
    return _branch(value, where)
