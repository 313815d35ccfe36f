"""Labelled videos for training and testing: synth-actions, folders with one sub-folder per class, official lists."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np

from vgmae_bench.config import Json, build, digest
from vgmae_bench.data.synth.actions import CLASSES, SynthActions, SynthActionsConfig
from vgmae_bench.data.video import Video
from vgmae_bench.data.video.file import VIDEO_SUFFIXES, open_video
from vgmae_bench.data.video.images import IMAGE_SUFFIXES
from vgmae_bench.downstream.actions.lists import read_list
from vgmae_bench.errors import BadDataError, MissingDataError, UsageError
from vgmae_bench.files import natural_order

TEST_SHARE = 4
"""In a folder without a test part, every fourth video of a class is a test video."""

KINETICS: dict[str, Any] = {"sampling": "dense", "segments": 5, "crops": 3, "flip": True}
SSV2: dict[str, Any] = {"sampling": "uniform", "segments": 2, "crops": 3, "flip": False}
SYNTH: dict[str, Any] = {"sampling": "uniform", "segments": 1, "crops": 1, "flip": False}
_MIXED: dict[str, Any] = {"mixup": 0.8, "cutmix": 1.0, "smoothing": 0.1, "erasing": 0.25, "min_area": 0.08}
_PLAIN: dict[str, Any] = {"mixup": 0.0, "cutmix": 0.0, "smoothing": 0.0, "erasing": 0.0, "min_area": 0.6}

PROTOCOLS: dict[str, dict[str, dict[str, Any]]] = {
    "kinetics": {
        "linear": {**KINETICS, "epochs": 30, "head_norm": "layer"},
        "finetune": {**KINETICS, **_MIXED, "epochs": 100},
    },
    "ssv2": {
        "linear": {**SSV2, "epochs": 30, "head_norm": "layer"},
        "finetune": {**SSV2, **_MIXED, "epochs": 40},
    },
    "folder": {
        "linear": {**KINETICS, "epochs": 100, "head_norm": "batch"},
        "finetune": {**KINETICS, **_MIXED, "epochs": 100},
    },
    "synth-actions": {
        "linear": {**SYNTH, "epochs": 1000, "head_norm": "batch"},
        "finetune": {**SYNTH, **_PLAIN, "epochs": 30},
    },
}
"""Default settings by kind of data and mode. The first two are VideoMAE's and SIGMA's for Kinetics-400 and Something-Something
V2. The others are ours, for small data."""


class VideoFiles:
    """N videos with one label each: files, folders of frames or single images. They are opened one at a time.

    Attributes:
        ids: names of the videos.
        labels: classes, int64 [N].
    """

    def __init__(self, files: Sequence[tuple[str, Path, int]]) -> None:
        self.ids = [name for name, _, _ in files]
        self.labels = np.array([label for _, _, label in files], dtype=np.int64)
        self._paths = [path for _, path, _ in files]

    @property
    def digest(self) -> str:
        """SHA-256 of names, labels and file sizes, without paths of this machine. Contents are not read."""
        sizes = [path.stat().st_size if path.is_file() else None for path in self._paths]
        return digest([list(self.ids), self.labels.tolist(), sizes])

    def open(self, index: int) -> Video:
        """Open a video. Raises BadDataError if it cannot be read."""
        return open_video(self._paths[index])


LabelledVideos = VideoFiles | SynthActions


@dataclass(frozen=True)
class Actions:
    """Labelled videos to train on and to test on.

    Attributes:
        name: name of the data.
        protocol: a key of `PROTOCOLS`.
        classes: names of the classes by label.
        train: videos to train on.
        test: videos to test on.
        missing: number of missing videos of the training list and of the test list.
    """

    name: str
    protocol: str
    classes: tuple[str, ...]
    train: LabelledVideos
    test: LabelledVideos
    missing: tuple[int, int] = (0, 0)

    def describe(self) -> dict[str, Json]:
        """The videos' description for records, without paths of this machine."""
        digests: dict[str, Json] = {"train": self.train.digest, "test": self.test.digest}
        return {"data": self.name, **digests, "classes": digest(list(self.classes))}


def open_actions(
    data: str, *, test: Path | None = None, videos: Path | None = None, settings: Mapping[str, Any] | None = None
) -> Actions:
    """Open the videos that `--data` names.

    Arguments:
        data: "synth-actions", a folder, or a list of videos to train on.
        test: the list of videos to test on, if `data` is a list.
        videos: the folder that paths in lists are relative to. None: the folder of the list.
        settings: settings of synth-actions.

    Raises:
        UsageError: `data` is none of them, or it does not take these settings.
        MissingDataError: there are no videos.
        BadDataError: a list cannot be read.
    """
    if data != "synth-actions" and settings:
        raise UsageError(f"{data} takes no settings", f'"{next(iter(settings))}" was given')
    path = Path(data)
    if path.is_file():
        if test is None:
            raise UsageError(
                f"{data} is a list of videos to train on",
                "a list to test on is missing",
                try_=f"--data {data} --test LIST",
            )
        return _from_lists(path, test, videos)
    if test is not None or videos is not None:
        raise UsageError("--test and --videos need a list as --data", f"{data} is not a list")
    if data == "synth-actions":
        config = build(SynthActionsConfig, settings or {}, owner="synth-actions")
        parts = SynthActions(config, "train"), SynthActions(config, "test")
        return Actions(data, data, tuple(CLASSES), *parts)
    if path.is_dir():
        return _from_folder(path)
    raise UsageError(
        f'There is no data "{data}"',
        "it is neither synth-actions, nor a folder, nor a list",
        try_="--data synth-actions",
    )


def _from_lists(train: Path, test: Path, videos: Path | None) -> Actions:
    kind, learned = read_list(train)
    _, tested = read_list(test)
    names = {entry.label for entry in learned}
    if unknown := sorted({entry.label for entry in tested} - names):
        raise BadDataError(f"{test.name} has {len(unknown)} classes that {train.name} lacks", ", ".join(unknown[:3]))
    classes = sorted(names, key=lambda name: natural_order(Path(name.replace("/", "_"))))
    numbers = {name: number for number, name in enumerate(classes)}
    parts: list[VideoFiles] = []
    missing: list[int] = []
    for path, entries in ((train, learned), (test, tested)):
        root = videos or path.parent
        found = [(entry, _first(root, entry.paths)) for entry in entries]
        files = [(entry.id, place, numbers[entry.label]) for entry, place in found if place is not None]
        if not files:
            raise MissingDataError(
                f"None of the {len(entries)} videos of {path.name} exists",
                f"looked in {root} for {entries[0].paths[0]} and others",
                try_="the folder that holds them with --videos DIR",
            )
        parts.append(VideoFiles(files))
        missing.append(len(entries) - len(files))
    protocol = "folder" if kind == "plain" else kind
    return Actions(train.name, protocol, tuple(classes), parts[0], parts[1], (missing[0], missing[1]))


def _first(root: Path, candidates: Sequence[Path]) -> Path | None:
    return next((root / path for path in candidates if (root / path).exists()), None)


def _from_folder(root: Path) -> Actions:
    """Each sub-folder is a class. train/ and test/ (or val/, validation/) split the videos if these folders exist."""
    held_out = next((root / name for name in ("test", "val", "validation") if (root / name).is_dir()), None)
    if (root / "train").is_dir() and held_out is not None:
        learned, tested = _classes(root / "train"), _classes(held_out)
    else:
        everything = _classes(root)
        learned = {name: [p for n, p in enumerate(found) if (n + 1) % TEST_SHARE] for name, found in everything.items()}
        tested = {name: found[TEST_SHARE - 1 :: TEST_SHARE] for name, found in everything.items()}
    if unknown := sorted(set(tested) - set(learned)):
        raise BadDataError(f"{root} has test videos of classes without training videos", ", ".join(unknown[:3]))
    if len(learned) < 2 or not any(tested.values()):
        raise MissingDataError(
            f"{root} is not a folder of actions",
            f"it has {len(learned)} sub-folders with videos; each should hold the videos of one class, four or more",
        )
    names = sorted(learned)
    parts = [
        VideoFiles([(f"{name}/{path.name}", path, names.index(name)) for name in names for path in part.get(name, [])])
        for part in (learned, tested)
    ]
    return Actions(root.resolve().name, "folder", tuple(names), parts[0], parts[1])


def _classes(root: Path) -> dict[str, list[Path]]:
    """The videos of every class. A video is a file or a folder of frames."""
    found: dict[str, list[Path]] = {}
    for folder in sorted(path for path in root.iterdir() if path.is_dir() and path.name[0] != "."):
        entries = (path for path in folder.iterdir() if path.name[0] != ".")
        samples = [path for path in entries if path.is_dir() or path.suffix.lower() in VIDEO_SUFFIXES | IMAGE_SUFFIXES]
        if samples:
            found[folder.name] = sorted(samples, key=natural_order)
    return found
