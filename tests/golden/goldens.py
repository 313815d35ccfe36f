"""The parity goldens: outputs of the official code on weights made by rule. INDEX.json describes every file and array."""

from __future__ import annotations

import json
import math
import os
import zlib
from functools import cache
from pathlib import Path
from typing import Any

import numpy as np
import torch

FOLDER = Path(os.environ.get("VGMAE_BENCH_GOLDENS", Path(__file__).parent / "data")).resolve()
IMAGENET_MEAN, IMAGENET_STD = (0.485, 0.456, 0.406), (0.229, 0.224, 0.225)


@cache
def index() -> dict[str, Any]:
    """INDEX.json with `files` by file name."""
    content = json.loads((FOLDER / "INDEX.json").read_text())
    return {**content, "files": {entry["file"]: entry for entry in content["files"]}}


def entry(file: str) -> dict[str, Any]:
    """What INDEX.json says of one file: constructor, salt, tolerance, …"""
    return index()["files"][file]


def arrays(file: str) -> dict[str, np.ndarray]:
    """All arrays of one .npz file by name."""
    with np.load(FOLDER / file, allow_pickle=False) as content:
        return dict(content)


def weight(salt: str, name: str, shape: tuple[int, ...]) -> torch.Tensor:
    """The rule by which every golden's weights are made (README.md of the goldens)."""
    values = np.random.Generator(np.random.PCG64(zlib.crc32((salt + name).encode()))).standard_normal(
        shape, dtype=np.float32
    )
    if len(shape) == 1:
        values = values * np.float32(0.1) + np.float32(name.endswith(".weight"))
    elif shape[0] == 1:
        values = values * np.float32(0.5)
    else:
        values = values * np.float32(1.0 / math.sqrt(math.prod(shape[1:])))
    return torch.from_numpy(values)


def fill_by_rule(model: torch.nn.Module, file: str) -> None:
    """Give every entry of the model's state dict its rule-made value; fixed tables keep theirs."""
    described = entry(file)
    state = model.state_dict()
    for name, value in state.items():
        if name not in described.get("fixed_tables", ()):
            state[name] = weight(described["salt"], name, tuple(value.shape))
    model.load_state_dict(state)


def normalised_video(frames: np.ndarray) -> torch.Tensor:
    """uint8 [B, T, H, W, 3] → float32 [B, 3, T, H, W], ImageNet mean and deviation."""
    video = torch.from_numpy(frames).float() / 255
    return ((video - torch.tensor(IMAGENET_MEAN)) / torch.tensor(IMAGENET_STD)).permute(0, 4, 1, 2, 3)
