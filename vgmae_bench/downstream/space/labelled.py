"""Sets of images with segmentations: `synth`, pairs of image and mask, DAVIS, BSDS500."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass
from functools import partial
from pathlib import Path
from typing import Any

import numpy as np
import numpy.typing as npt
from PIL import Image as Pillow

from vgmae_bench.config import Json, digest
from vgmae_bench.data.video.images import SUFFIXES, find_images, open_rgb, read_image
from vgmae_bench.errors import BadDataError, MissingDataError, UsageError, damage
from vgmae_bench.files import file_digest
from vgmae_bench.models.explorer import Image

Labels = npt.NDArray[np.int64]

SYNTH_IMAGES = 60
"""Number of images of `synth`."""


@dataclass(frozen=True, eq=False)
class Labelled:
    """An image and its segmentations, read on demand.

    Attributes:
        name: unique in its set.
        group: images of one group are alike, such as the frames of a sequence. The bootstrap draws whole groups.
        has_figure: label 0 is ground and all other labels are figure. If False, only the outlines are used.
        read: returns the image, uint8 [H, W, 3] RGB, and segmentations, int64 [A, H, W], one for each annotator.
    """

    name: str
    group: str
    has_figure: bool
    read: Callable[[], tuple[Image, Labels]]


@dataclass(frozen=True, eq=False)
class LabelledSet:
    """A set of labelled images.

    Attributes:
        kind: "synth", "pairs", "davis" or "bsds500".
        identity: what the set depends on, without paths of this machine.
        images: the images.
    """

    kind: str
    identity: Json
    images: Sequence[Labelled]

    def first(self, limit: int | None) -> LabelledSet:
        """The same set with at most `limit` images, spread evenly over all of them."""
        if limit is None or limit >= len(self.images):
            return self
        chosen = np.linspace(0, len(self.images) - 1, limit).round().astype(int)
        return LabelledSet(self.kind, self.identity, [self.images[index] for index in chosen])


def open_labelled(data: str) -> LabelledSet:
    """Open the set that `--data` names: "synth", or a folder in one of these layouts.

    DIR/images and DIR/masks                                  pairs of the same name; 0 is ground in a mask
    DIR/JPEGImages[/480p]/SEQ and DIR/Annotations[/480p]/SEQ  DAVIS; if ImageSets/2017/val.txt exists, it selects the sequences
    DIR/[data/]images/test and DIR/[data/]groundTruth/test    BSDS500

    Raises:
        UsageError: `data` is neither "synth" nor a folder.
        MissingDataError: the folder has no labelled image.
    """
    root = Path(data)
    if data == "synth" and not root.is_dir():
        return _synth()
    if not root.is_dir():
        raise UsageError(f'There is no data "{data}"', "it is neither synth nor a folder", try_="--data synth")
    for folder in (root, root / "data", root / "BSDS500" / "data"):
        if (folder / "groundTruth").is_dir():
            return _bsds(folder)
    if (root / "Annotations").is_dir():
        return _davis(root)
    if (root / "masks").is_dir():
        return _pairs(root)
    raise MissingDataError(
        f"The folder {root} has no known layout",
        "it needs images and masks, JPEGImages and Annotations (DAVIS), or images and groundTruth (BSDS500)",
        try_="vgmae-bench spatial --help",
    )


def _synth() -> LabelledSet:
    """The first frame of each clip of `synth`'s test split, with exact masks: boxes are figure, the room is ground."""
    from vgmae_bench.data.synth.dataset import VERSION
    from vgmae_bench.data.synth.scene import SynthConfig

    config = SynthConfig(frames=1)
    images = [
        Labelled(f"test-{index:05d}", str(index), True, partial(synth_image, config, index))
        for index in range(SYNTH_IMAGES)
    ]
    return LabelledSet("synth", {"synth": VERSION, "config": vars(config)}, images)


def synth_image(config: Any, index: int) -> tuple[Image, Labels]:
    """The first frame of a clip, and the number of the solid seen at the centre of each pixel. The room is 0."""
    import torch

    from vgmae_bench.data.synth.rays import nearest_face, views
    from vgmae_bench.data.synth.render import render_video
    from vgmae_bench.data.synth.scene import sample_scenes

    scenes = sample_scenes(config, [index])
    u, v = ((torch.arange(n, dtype=torch.float64) + 0.5) / n for n in (config.width, config.height))
    face = nearest_face(views(scenes).planes[:, None, None], u[None, None], v[None, :, None])
    return render_video(scenes, config.height, config.width)[0, 0].numpy(), (face[:1] // 6).numpy()


def _pairs(root: Path) -> LabelledSet:
    if not (root / "images").is_dir():
        raise MissingDataError(f"{root} has masks but no images", "it needs a folder images beside masks")
    masks = {path.relative_to(root / "masks").with_suffix(""): path for path in find_images(root / "masks")}
    images = {path.relative_to(root / "images").with_suffix(""): path for path in find_images(root / "images")}
    both = [(str(name), images[name], masks[name]) for name in images if name in masks]
    return _of_files("pairs", root, [(name, name, image, mask) for name, image, mask in both], _with_mask)


def _davis(root: Path) -> LabelledSet:
    annotations, pictures = (_resolution(root / name) for name in ("Annotations", "JPEGImages"))
    sequences = sorted(folder.name for folder in annotations.iterdir() if folder.is_dir())
    chosen = root / "ImageSets" / "2017" / "val.txt"
    if chosen.is_file():
        sequences = [name for name in chosen.read_text(encoding="utf-8").split() if name in set(sequences)]
    found = []
    for sequence in sequences:
        for mask in sorted((annotations / sequence).glob("*.png")):
            image = pictures / sequence / f"{mask.stem}.jpg"
            if image.is_file():
                found.append((f"{sequence}/{mask.stem}", sequence, image, mask))
    return _of_files("davis", root, found, _with_mask)


def _resolution(folder: Path) -> Path:
    """The folder of sequences. DAVIS has one for each resolution; copies of it often do not."""
    return next((folder / name for name in ("480p", "Full-Resolution") if (folder / name).is_dir()), folder)


def _of_files(
    kind: str,
    root: Path,
    found: Sequence[tuple[str, str, Path, Path]],
    read: Callable[[Path, Path], tuple[Image, Labels]],
    *,
    has_figure: bool = True,
    wanted: str = f"images end in {', '.join(sorted(SUFFIXES))}",
) -> LabelledSet:
    """A set of images on disk.

    Arguments:
        found: name, group, image file and file of the segmentations of each image.
        read: reads the two files of an image.
        has_figure: see `Labelled`.
        wanted: the files that the folder should contain, for a message.
    """
    if not found:
        raise MissingDataError(f"There is no image with a segmentation in {root}", wanted)
    images = [Labelled(name, group, has_figure, partial(read, image, truth)) for name, group, image, truth in found]
    truths = digest([file_digest(truth) for *_, truth in found])
    return LabelledSet(kind, {"folder": root.resolve().name, "truth": truths}, images)


def _with_mask(image: Path, path: Path) -> tuple[Image, Labels]:
    """Read an image and its mask, int64 [1, H, W]: palette indices, grey values, or one number for each RGB colour."""
    pixels = read_image(image)
    with damage(f"The mask {path} cannot be read"), Pillow.open(path) as mask:
        stored = np.array(mask if mask.mode in ("P", "L", "1", "I", "I;16") else mask.convert("RGB"))
    labels = stored.astype(np.int64)
    if labels.ndim == 3:
        labels = labels @ np.array([65536, 256, 1])
    if labels.shape != pixels.shape[:2]:
        why = f"it is {labels.shape}, the image is {pixels.shape[:2]}"
        raise BadDataError(f"The mask {path} does not fit its image", why)
    return pixels, labels[None]


def _bsds(root: Path) -> LabelledSet:
    """The test images of BSDS500 (Arbelaez et al., PAMI 2011), each with the segmentations of several people."""
    found = []
    for truth in sorted((root / "groundTruth" / "test").glob("*.mat")):
        image = root / "images" / "test" / f"{truth.stem}.jpg"
        if image.is_file():
            found.append((truth.stem, truth.stem, image, truth))
    wanted = "it needs images/test/*.jpg and groundTruth/test/*.mat"
    return _of_files("bsds500", root, found, _with_segmentations, has_figure=False, wanted=wanted)


def _with_segmentations(image: Path, path: Path) -> tuple[Image, Labels]:
    """Read an image, and its segmentations from a ground-truth file of BSDS500: int64 [A, H, W], one for each annotator.

    The file holds a cell array `groundTruth` of structs with `Segmentation`.
    """
    from scipy.io import loadmat

    with damage(f"{path} is not a ground-truth file of BSDS500"):
        people = loadmat(path)["groundTruth"].ravel()
        labels = np.stack([person["Segmentation"][0, 0] for person in people]).astype(np.int64)
        if labels.ndim != 3:
            raise ValueError(f"its segmentations are {labels.shape}")
    return np.array(open_rgb(image)), labels
