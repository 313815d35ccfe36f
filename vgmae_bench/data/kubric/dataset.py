"""Kubric's MOVi-E and MOVi-F with point tracks. The published files are read once; the prepared form keeps the tracks.

A folder can hold one of three layouts. The first match is read:

    …/<name>-<split>.tfrecord-00000-of-00064    TFDS: movi_e, movi_f, and LocoTrack's panning_movi_e
    <scene>/metadata.json, rgba_00000.png, …    raw renders
    <scene>/<scene>.npy, frames/000.png, …      CoTracker's export: pixels (x, y), and a "visibility" that means hidden

For the first two, tracks are derived (`vgmae_bench.data.kubric.tracks`) and come with their query frames, as in the
benchmark. The third has tracks, and the protocol chooses its queries.
"""

from __future__ import annotations

import hashlib
import io
import re
from collections.abc import Iterable, Iterator
from dataclasses import dataclass
from functools import partial
from pathlib import Path
from typing import Annotated, Any

import numpy as np
import pydantic

from vgmae_bench import data
from vgmae_bench.config import Json, to_json
from vgmae_bench.data.checks import check_tracks
from vgmae_bench.data.files.clip_names import file_safe
from vgmae_bench.data.files.fetch import missing
from vgmae_bench.data.files.root import locate
from vgmae_bench.data.kubric.scene import KubricScene, scene_files, scene_of_folder, scene_of_record
from vgmae_bench.data.kubric.tfrecord import count_records, read_records
from vgmae_bench.data.kubric.tracks import VERSION, derive_tracks
from vgmae_bench.data.prepare import Raw
from vgmae_bench.data.prepared import PreparedDataset
from vgmae_bench.data.tapvid import safe_pickle
from vgmae_bench.data.video.file import stack
from vgmae_bench.data.video.image_folder import ImageFolder
from vgmae_bench.errors import BadDataError, MissingDataError, damage
from vgmae_bench.files import natural_order
from vgmae_bench.types import Clip, Uint8Array

FPS = 12.0
_SHARD = re.compile(r"(.+)-(\w+)\.tfrecord-(\d{5})-of-(\d{5})")
Scenes = Iterable[tuple[str, Clip]]
"""SHA-256 (hex) of the source, and the clip."""


@dataclass(frozen=True)
class KubricConfig:
    """How Kubric is prepared. Equal settings give equal tracks on any machine.

    Attributes:
        split: the split of TFDS files.
        tracks: the largest number of tracks per scene.
        seed: seed of the sampled points.
    """

    split: str = "validation"
    tracks: Annotated[int, pydantic.Field(ge=1)] = 256
    seed: Annotated[int, pydantic.Field(ge=0)] = 0


def kubric(root: Path, prepared: Path | None = None) -> PreparedDataset:
    """The prepared form. Without one, the error says how to make it."""
    if prepared:
        return PreparedDataset(prepared, data.KUBRIC)
    if locate(data.KUBRIC, root):
        why = "its tracks are derived once from the rendered layers"
        raise MissingDataError("kubric is not prepared", why, try_="vgmae-bench data prepare kubric")
    raise missing(data.KUBRIC, root)


def prepare(root: Path, source: Path | None, config: KubricConfig) -> Raw:
    """The input of `vgmae_bench.data.prepare`.

    Arguments:
        source: a TFDS file, or a folder with one of the three layouts, in itself or at any depth. None: the folder of
            MOVi-E in the data root.

    Raises:
        MissingDataError: nothing has one of the layouts.
        BadDataError: there are TFDS files of several datasets. While scenes are read: a scene is damaged; the message
            names it.
    """
    source = source or root / Path(data.KUBRIC.location).parent
    about: dict[str, Json] = {"settings": to_json(config), "sources": []}
    if shards := _shards(source, config.split):
        about |= {"layout": "TFDS", "own_queries": True, "missing": _missing_shards(shards)}
        total = sum(map(count_records, shards))
        # A record holds the frames and five other layers, most of which are larger.
        return _raw(_of_shards(shards, config), about, total, sum(file.stat().st_size for file in shards) // 3)
    folders = [source, *(sorted(source.iterdir(), key=natural_order) if source.is_dir() else [])]
    if rendered := [folder for folder in folders if (folder / "metadata.json").is_file()]:
        about |= {"layout": "raw renders", "own_queries": True}
        return _raw(_of_renders(rendered, config), about, len(rendered), _room(rendered, "rgba_*.png"))
    if exported := [folder for folder in folders if (folder / f"{folder.name}.npy").is_file()]:
        about |= {"layout": "CoTracker"}
        return _raw(_of_exports(exported), about, len(exported), _room(exported, "frames/*"))
    kinds = f"-{config.split}.tfrecord files, folders with a metadata.json or with an .npy of their name"
    raise missing(data.KUBRIC, root, f"{source} holds no {kinds}")


def _raw(scenes: Scenes, about: dict[str, Json], total: int, size: int) -> Raw:
    """Scenes with unique names that are valid file names. Scores depend on the source files and the settings."""
    read: list[Json] = []
    identity: dict[str, Json] = {"kubric": VERSION, "settings": about["settings"], "scenes": read}

    def clips() -> Iterator[Clip]:
        names = set()
        for digest, clip in scenes:
            if clip.id in names:
                raise BadDataError(f'Two scenes are called "{clip.id}"', "names must be unique")
            names.add(clip.id)
            read.append([clip.id, digest])
            yield clip

    return Raw(clips(), total, about | {"identity": identity, "sources": read}, size)


def _of_shards(shards: list[Path], config: KubricConfig) -> Scenes:
    for shard in shards:
        for number, content in enumerate(read_records(shard)):
            with damage(f"Record {number} of {shard} cannot be used"):
                name, scene = scene_of_record(content)
                name = file_safe(name or f"{shard.name.rpartition('.')[0]}-{number:04}", shard)
                yield hashlib.sha256(content).hexdigest(), _derived(scene, name, config)


def _of_renders(folders: list[Path], config: KubricConfig) -> Scenes:
    for folder in folders:
        with damage(f"The scene {folder} cannot be used"):
            name = file_safe(folder.name, folder)
            yield _digest(scene_files(folder)), _derived(scene_of_folder(folder), name, config)


def _of_exports(folders: list[Path]) -> Scenes:
    for folder in folders:
        with damage(f"The scene {folder} cannot be used"):
            tracks, video = folder / f"{folder.name}.npy", ImageFolder.open(folder / "frames")
            content = _object_of_npy(tracks)
            xy, hidden = np.asarray(content["coords"]), np.asarray(content["visibility"])
            if xy.ndim != 3 or xy.shape[2] != 2 or xy.dtype.kind != "f":
                raise ValueError(f"its coords are {xy.dtype} {list(xy.shape)}, not floating point [N, T, 2]")
            points = xy / np.array(video.size[::-1])
            points, occluded = check_tracks(points, hidden, video.num_frames, video.size, "pixels")
            read = partial(_read, video)
            clip = Clip(file_safe(folder.name, folder), video.size, points, occluded, read, fps=FPS)
            yield _digest([tracks, *video.files]), clip


def _read(video: ImageFolder) -> Uint8Array:
    return stack(video.frames(), video.num_frames)


def _derived(scene: KubricScene, name: str, config: KubricConfig) -> Clip:
    tracks = derive_tracks(scene, name, config.seed, config.tracks)
    _, height, width = scene.segments.shape
    frames = scene.frames  # the clip must not keep the other layers in memory
    return Clip(
        id=name,
        size=(height, width),
        points=tracks.xy / np.float32(width),  # frames are square
        occluded=tracks.occluded,
        read=lambda: frames,
        fps=FPS,
        asked=tracks.frame,
    )


def _object_of_npy(path: Path) -> dict[str, Any]:
    """The dictionary that `numpy.save` pickled into a file. Nothing in the file is executed."""
    content = io.BytesIO(path.read_bytes())
    if np.lib.format.read_magic(content) != (1, 0) or not np.lib.format.read_array_header_1_0(content)[2].hasobject:
        raise ValueError(f"{path.name} holds no object")
    saved = safe_pickle.load(content)
    if not isinstance(saved, np.ndarray) or saved.shape != () or not isinstance(saved.item(), dict):
        raise ValueError(f"{path.name} holds no dictionary")
    return dict(saved.item())


def _shards(source: Path, split: str) -> list[Path]:
    """The TFDS files of one split of one dataset, in order."""
    files = [source] if source.is_file() else sorted(source.rglob(f"*-{split}.tfrecord-*"))
    shards = [file for file in files if _SHARD.fullmatch(file.name)]
    if len(sets := sorted({file.parent for file in shards})) > 1:
        raise BadDataError(f"{source} holds several datasets", f"choose one, such as {sets[0]}")
    return shards


def _missing_shards(shards: list[Path]) -> list[Json]:
    prefix, split, _, total = _SHARD.fullmatch(shards[0].name).groups()  # type: ignore[union-attr]  # they all match
    names = {shard.name for shard in shards}
    wanted = [f"{prefix}-{split}.tfrecord-{number:05}-of-{total}" for number in range(int(total))]
    return [name for name in wanted if name not in names]


def _digest(files: list[Path]) -> str:
    """SHA-256 (hex) of the contents and names of files."""
    total = hashlib.sha256()
    for file in files:
        total.update(f"{file.name} {file.stat().st_size}\n".encode() + file.read_bytes())
    return total.hexdigest()


def _room(folders: list[Path], frames: str) -> int:
    return sum(file.stat().st_size for folder in folders for file in folder.glob(frames))
