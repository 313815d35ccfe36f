"""Undamaged inputs of every kind, and their readers."""

from __future__ import annotations

import io
import json
import pickle
import shutil
from collections.abc import Callable
from pathlib import Path
from typing import Any, NamedTuple

import av
import numpy as np
import torch
from PIL import Image
from safetensors.torch import save_file

from tests.clips import moving_square, write_davis
from tests.data.kubric.tfds_files import encode_example, write_records
from tests.records import write_run
from tests.videos import encode
from vgmae_bench.data.kubric.scene import scene_of_record
from vgmae_bench.data.kubric.tfrecord import read_records
from vgmae_bench.data.prepare import prepare
from vgmae_bench.data.prepared import PreparedDataset
from vgmae_bench.data.tapvid.pickles import load_examples, parse_example
from vgmae_bench.data.track_tables import read_tracks
from vgmae_bench.data.video.file import open_video
from vgmae_bench.data.video.images import open_rgb
from vgmae_bench.errors import damage
from vgmae_bench.evaluation.other_programs.prediction_file import open_predictions
from vgmae_bench.evaluation.records.results import Record, Summary
from vgmae_bench.models.checkpoint_file import read_checkpoint
from vgmae_bench.models.weights_file import load_weights


class Kind(NamedTuple):
    """A kind of input.

    Attributes:
        name: the name for --readers.
        seed: an undamaged file.
        read: reads such a file to its end.
    """

    name: str
    seed: Path
    read: Callable[[Path], object]


def make(folder: Path) -> list[Kind]:
    """Small undamaged inputs of every kind, in a folder."""
    folder.mkdir(parents=True)
    entry = moving_square(num_frames=5, size=(24, 32), num_points=3)
    return [*_datasets(folder, entry), *_tables(folder), *_weights(folder), *_pictures(folder, entry["video"])]


def _datasets(folder: Path, entry: dict[str, Any]) -> list[Kind]:
    (folder / "davis.pkl").write_bytes(pickle.dumps({"a": entry}))
    (folder / "old.pkl").write_bytes(pickle.dumps({"a": entry}, protocol=2))
    shutil.copy(Path(__file__).parents[1] / "data/kubric/example.tfrecord", folder / "a.tfrecord")
    scene = {
        "metadata/video_name": [b"a"],
        "metadata/num_frames": np.array([5]),
        "video": [_png(f) for f in entry["video"]],
    }
    write_records(folder / "scene.tfrecord", [encode_example(scene)])
    root = write_davis(folder / "root", clips=1, num_frames=5, size=(24, 32), num_points=3)
    made = prepare("davis", root=root)
    shutil.copy(made, folder / "prepared.h5")
    tracks = {"a/tracks": np.zeros((3, 5, 2), np.float32), "a/visibility": np.ones((3, 5), bool)}
    np.savez(folder / "tracks.npz", **tracks)  # type: ignore[arg-type]  # names of arrays
    np.savez_compressed(folder / "packed.npz", **tracks)  # type: ignore[arg-type]
    np.save(folder / "tracks.npy", tracks["a/tracks"])
    return [
        Kind("pickles", folder / "davis.pkl", _read_pickle),
        Kind("pickles", folder / "old.pkl", _read_pickle),
        Kind("tfrecord", folder / "a.tfrecord", lambda path: list(read_records(path))),
        Kind("tfrecord", folder / "scene.tfrecord", _read_scenes),
        Kind("tfrecord", folder / "scene.tfrecord", _read_scene),
        Kind("hdf5", folder / "prepared.h5", _read_prepared),
        Kind("hdf5", folder / "prepared.h5", _read_predictions),
        *(Kind("predictions", folder / name, _read_predictions) for name in ("tracks.npz", "packed.npz", "tracks.npy")),
    ]


def _tables(folder: Path) -> list[Kind]:
    rows = "".join(f"{point},{frame},{point + frame * 1.5},{4.25},1\n" for point in range(3) for frame in range(4))
    (folder / "a.csv").write_text("point,frame,x,y,visible\n" + rows)
    (folder / "a.json").write_text(json.dumps({"xy": [[[1.5, 2], None, [3, 4]]], "visible": [[True, False, True]]}))
    run = write_run(folder / "runs", "a", [0.5, 0.25])
    return [
        Kind("csv", folder / "a.csv", _read_tracks),
        Kind("json", folder / "a.json", _read_tracks),
        Kind("json", run / "record.json", Record.read),
        Kind("json", run / "summary.json", Summary.read),
    ]


def _weights(folder: Path) -> list[Kind]:
    tensors = {"encoder.a.weight": torch.arange(12.0).reshape(3, 4), "encoder.a.bias": torch.zeros(3)}
    torch.save({"model": tensors, "epoch": 3}, folder / "a.pt")
    torch.save({"model": tensors}, folder / "old.pt", _use_new_zipfile_serialization=False)
    save_file(tensors, folder / "a.safetensors", {"format": "pt"})
    np.savez(folder / "weights.npz", **{name: value.numpy() for name, value in tensors.items()})
    ours = Path(__file__).parents[2] / "vgmae_bench/gmae/weights"
    small = min(ours.glob("*.safetensors"), key=lambda path: path.stat().st_size, default=folder / "a.safetensors")
    return [
        *(
            Kind("checkpoints", folder / name, read_checkpoint)
            for name in ("a.pt", "old.pt", "a.safetensors", "weights.npz")
        ),
        Kind("checkpoints", folder / "a.safetensors", lambda path: load_weights(path, method="gmae")),
        *([Kind("checkpoints", small, lambda path: load_weights(path, method="gmae"))] if _is_small(small) else []),
    ]


def _pictures(folder: Path, frames: Any) -> list[Kind]:
    exif = Image.Exif()
    exif[0x0112] = 6
    Image.fromarray(frames[0]).save(folder / "a.jpg", exif=exif.tobytes())
    Image.fromarray(frames[0]).save(folder / "a.png")
    Image.fromarray(frames[0, ..., 0].astype(np.uint16) * 257).save(folder / "deep.png")
    Image.fromarray(frames[0]).quantize(8).save(folder / "palette.png")
    videos = [encode(folder / f"a{suffix}", frames) for suffix in (".mp4", ".mkv", ".avi", ".webm", ".gif")]
    videos.append(_remuxed(folder / "a.mp4", folder / "a.ts"))
    images = ("a.jpg", "a.png", "deep.png", "palette.png")
    return [
        *(Kind("images", folder / name, open_rgb) for name in images),
        *(Kind("videos", video, _read_video) for video in videos),
        *(Kind("videos", video, _read_damaged_video) for video in videos),
    ]


def _remuxed(source: Path, target: Path) -> Path:
    with av.open(str(source)) as whole, av.open(str(target), "w") as made:
        stream = made.add_stream_from_template(whole.streams.video[0])
        for packet in whole.demux(whole.streams.video[0]):
            if packet.dts is not None:
                packet.stream = stream
                made.mux(packet)
    return target


def _png(frame: Any) -> bytes:
    content = io.BytesIO()
    Image.fromarray(frame).save(content, "PNG")
    return content.getvalue()


def _is_small(path: Path) -> bool:
    return path.is_file() and path.stat().st_size < 5_000_000


def _read_pickle(path: Path) -> None:
    for name, raw in load_examples(path, (dict, list)).items():
        parse_example(raw, str(name), str(path)).frames()


def _read_scenes(path: Path) -> None:
    for content in read_records(path):
        with damage("record"):
            scene_of_record(content)


def _read_scene(path: Path) -> None:
    """The content of a record without checksums, because checksums find most damage."""
    with damage("record"):
        scene_of_record(path.read_bytes()[12:-4])


def _read_prepared(path: Path) -> None:
    dataset = PreparedDataset(path, None)
    for name in dataset.ids:
        dataset.clip(name).frames()


def _read_predictions(path: Path) -> None:
    for open_clip in open_predictions(path).clips.values():
        for array in open_clip().values():
            array.read() if hasattr(array, "read") else None


def _read_video(path: Path) -> None:
    for _ in open_video(path).frames():
        pass


def _read_tracks(path: Path) -> None:
    with damage("tracks"):
        read_tracks(path)


def _read_damaged_video(path: Path) -> None:
    for _ in open_video(path, allow_truncated=True).frames(threads=1):
        pass
