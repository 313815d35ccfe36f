"""`python write_tfds.py SCENES OUT`: scenes kept as NumPy arrays become a TFDS set with the features of MOVi-E.

A separate program: it needs tensorflow-datasets and nothing of this package. Features as in challenges/movi/movi_e.py of
google-research/kubric, without the text and events that tracks have no use for.
"""

from __future__ import annotations

import json
import sys
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import numpy as np
import tensorflow_datasets as tfds

FRAMES, SIZE = 8, 48


def features() -> Any:
    kinds = tfds.features
    shape = (SIZE, SIZE)
    flow = kinds.Sequence(kinds.Tensor(shape=(*shape, 2), dtype=np.uint16), length=FRAMES)
    return kinds.FeaturesDict(
        {
            "metadata": {
                "video_name": kinds.Text(),
                "num_frames": np.int32,
                "depth_range": kinds.Tensor(shape=(2,), dtype=np.float32),
            },
            "instances": kinds.Sequence(
                {
                    "quaternions": kinds.Tensor(shape=(FRAMES, 4), dtype=np.float32),
                    "bboxes_3d": kinds.Tensor(shape=(FRAMES, 8, 3), dtype=np.float32),
                    "bbox_frames": kinds.Sequence(kinds.Tensor(shape=(), dtype=np.int32)),
                }
            ),
            "camera": {
                "focal_length": np.float32,
                "sensor_width": np.float32,
                "positions": kinds.Tensor(shape=(FRAMES, 3), dtype=np.float32),
                "quaternions": kinds.Tensor(shape=(FRAMES, 4), dtype=np.float32),
            },
            "video": kinds.Video(shape=(FRAMES, *shape, 3)),
            "segmentations": kinds.Sequence(kinds.Image(shape=(*shape, 1), dtype=np.uint8), length=FRAMES),
            "forward_flow": flow,
            "backward_flow": flow,
            "depth": kinds.Sequence(kinds.Image(shape=(*shape, 1), dtype=np.uint16), length=FRAMES),
            "normal": kinds.Video(shape=(FRAMES, *shape, 3), dtype=np.uint16),
            "object_coordinates": kinds.Video(shape=(FRAMES, *shape, 3), dtype=np.uint16),
        }
    )


def example(path: Path) -> dict[str, Any]:
    layers: dict[str, np.ndarray] = dict(np.load(path))
    about = json.loads(str(layers.pop("metadata")))
    low, high = float(layers["depth"].min()), float(layers["depth"].max())
    depth = np.round((layers["depth"].astype(np.float64) - low) / (high - low) * 65535).astype(np.uint16)
    still = np.zeros((FRAMES, SIZE, SIZE, 2), np.uint16)
    return {
        "metadata": {"video_name": path.stem, "num_frames": FRAMES, "depth_range": np.array([low, high], np.float32)},
        "instances": [
            {
                "quaternions": np.array(one["quaternions"], np.float32),
                "bboxes_3d": np.array(one["bboxes_3d"], np.float32),
                "bbox_frames": list(range(number)),
            }
            for number, one in enumerate(about["instances"])
        ],
        "camera": {
            "focal_length": about["camera"]["focal_length"],
            "sensor_width": about["camera"]["sensor_width"],
            "positions": np.array(about["camera"]["positions"], np.float32),
            "quaternions": np.array(about["camera"]["quaternions"], np.float32),
        },
        "video": layers["rgba"][..., :3],
        "segmentations": list(layers["segmentation"][..., None]),
        "forward_flow": still,
        "backward_flow": still,
        "depth": list(depth[..., None]),
        "normal": layers["normal"],
        "object_coordinates": layers["object_coordinates"],
    }


class MoviE(tfds.core.GeneratorBasedBuilder):  # type: ignore[misc]  # it has no annotations
    """The files get the name of this class: movi_e-validation.tfrecord-…"""

    VERSION = tfds.core.Version("1.0.0")
    scenes = Path()

    def _info(self) -> Any:
        return tfds.core.DatasetInfo(builder=self, features=features())

    def _split_generators(self, _manager: Any) -> dict[str, Any]:
        return {"validation": self._generate_examples()}

    def _generate_examples(self) -> Iterator[tuple[str, dict[str, Any]]]:
        for path in sorted(self.scenes.glob("*.npz")):
            yield path.stem, example(path)


if __name__ == "__main__":
    MoviE.scenes = Path(sys.argv[1])
    MoviE(data_dir=sys.argv[2]).download_and_prepare()
