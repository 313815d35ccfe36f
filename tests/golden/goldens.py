"""The parity goldens: sets of files whose sizes, cases and tolerances INDEX.json of the set tells.

`data` holds outputs of the official code, `small` those of a reference written from the specification, at other sizes (see
the README.md of each). The variable VGMAE_BENCH_GOLDENS names another folder of the same layout, which takes their place.
"""

from __future__ import annotations

import json
import math
import os
import re
import zlib
from collections.abc import Callable, Iterable
from dataclasses import dataclass
from fnmatch import fnmatch
from functools import cache
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import torch
from numpy.typing import ArrayLike
from torch import Tensor

HERE = Path(__file__).parent
OTHER = os.environ.get("VGMAE_BENCH_GOLDENS")
SETS = (Path(OTHER).resolve(),) if OTHER else (HERE / "data", HERE / "small")
IMAGENET_MEAN, IMAGENET_STD = (0.485, 0.456, 0.406), (0.229, 0.224, 0.225)
COMPARED: dict[str, set[str]] = {}
"""The arrays of each file that were compared with ours so far, in this test (see conftest.py)."""


@cache
def index(folder: Path) -> dict[str, Any]:
    """INDEX.json of a set, with `files` by file name."""
    content = json.loads((folder / "INDEX.json").read_text())
    return {**content, "files": {entry["file"]: entry for entry in content["files"]}}


@dataclass(frozen=True)
class Golden:
    """One file of a set.

    Attributes:
        folder: of the set.
        name: of the file.
    """

    folder: Path
    name: str

    def __str__(self) -> str:
        return f"{self.folder.name}/{self.name}"

    @property
    def path(self) -> Path:
        """Where the file lies."""
        return self.folder / self.name

    @property
    def entry(self) -> dict[str, Any]:
        """What INDEX.json says of the file: constructor, salt, tolerance, …"""
        found: dict[str, Any] = index(self.folder)["files"][self.name]
        return found

    @property
    def constructor(self) -> dict[str, Any]:
        """The arguments of the official constructor."""
        found: dict[str, Any] = self.entry["constructor"]
        return found

    @property
    def stored(self) -> dict[str, np.ndarray]:
        """All arrays by name."""
        return _arrays(self.path)

    @property
    def outputs(self) -> set[str]:
        """The names of the arrays that are not inputs."""
        if self.name not in index(self.folder)["files"]:  # those of TAP-Vid, which a .json beside them describes
            return {name for name in self.stored if "/in/" not in name}
        told = self.entry["arrays"]
        return {name for name in self.stored if told.get(name, {}).get("from") not in (None, "input")}

    def __contains__(self, array: str) -> bool:
        return array in self.stored

    def __getitem__(self, array: str) -> np.ndarray:
        return self.stored[array]

    def tensor(self, array: str) -> Tensor:
        """One array as a tensor."""
        return torch.from_numpy(self[array].copy())

    def sibling(self, name: str) -> Golden:
        """Another file of the same set; the test is skipped by name where the set has none such."""
        if not (self.folder / name).exists():
            pytest.skip(f"{name} is not in {self.folder}")
        return Golden(self.folder, name)

    def what(self, array: str) -> str:
        """The description of an array."""
        found: str = self.entry["arrays"][array]["what"] or ""
        return found

    def setting(self, array: str, before: str) -> float:
        """The number that follows some words in the description of an array."""
        return _number(self.what(array), before)

    def tolerance(self, key: str, before: str = "atol ") -> float:
        """The number that follows some words in a tolerance; a tolerance that is a number is that number."""
        told = self.entry["tolerance"][key]
        return float(told) if isinstance(told, int | float) else _number(told, before)

    def close(
        self, array: str, ours: ArrayLike | Tensor, atol: float = 0, rtol: float = 0, *, where: ArrayLike | None = None
    ) -> None:
        """Compare ours with an array, of the same shape, at these tolerances, and count it as compared.

        Arguments:
            array: the name of the array.
            ours: values of the same shape; bool and uint8 are the same to it.
            atol: the largest absolute difference; differences below `atol + rtol * |array|` pass.
            rtol: the largest difference relative to the array.
            where: bool of the same shape: what is compared. At least one value must be.
        """
        official, values = self[array], np.asarray(ours.detach() if isinstance(ours, Tensor) else ours)
        assert values.shape == official.shape, f"{array}: {values.shape}, official {official.shape}"
        if where is not None:
            chosen = np.asarray(where)
            assert chosen.any(), f"{array}: nothing is left to be compared"
            values, official = values[chosen], official[chosen]
        values = values.astype(np.float64)
        np.testing.assert_allclose(values, official, atol=atol, rtol=rtol, err_msg=f"{self}: {array}")
        self.counted(array)

    def counted(self, *arrays: str) -> None:
        """Note that arrays were compared."""
        for array in arrays:
            assert array in self
            COMPARED.setdefault(str(self), set()).add(array)

    def fill_by_rule(self, model: torch.nn.Module) -> None:
        """Give every entry of the model's state dict its rule-made value; fixed tables keep theirs."""
        state = model.state_dict()
        for name, value in state.items():
            if name not in self.entry.get("fixed_tables", ()):
                state[name] = weight(self.entry["salt"], name, tuple(value.shape))
        model.load_state_dict(state)

    def check_fingerprints(self, model: torch.nn.Module) -> None:
        """Shape, first values and sums of those of the model's weights that FINGERPRINTS.json has, by their names."""
        every = json.loads(self.sibling("FINGERPRINTS.json").path.read_text())
        if self.name not in every:
            pytest.skip(f"FINGERPRINTS.json of {self.folder} does not have {self.name}")
        fingerprints = every[self.name]
        if isinstance(fingerprints, str):  # "same as …", the name of another file last
            fingerprints = every[fingerprints.split()[-1]]
        state = model.state_dict()
        assert fingerprints and set(fingerprints) <= set(state), set(fingerprints) - set(state)
        for name, fingerprint in fingerprints.items():
            value = state[name].numpy().astype(np.float64)
            assert list(value.shape) == fingerprint["shape"], name
            np.testing.assert_allclose(value.ravel()[: len(fingerprint["first3"])], fingerprint["first3"], atol=1e-6)
            sums = [fingerprint["sum"], fingerprint["abs_sum"]]
            np.testing.assert_allclose([value.sum(), np.abs(value).sum()], sums, rtol=1e-6, atol=1e-4, err_msg=name)


def files(*patterns: str) -> list[Golden]:
    """The files of all sets that have one of these names or name patterns."""
    return [
        Golden(folder, name)
        for folder in SETS
        for pattern in patterns
        for name in sorted(path.name for path in folder.iterdir())
        if fnmatch(name, pattern)
    ]


def each(*patterns: str, cases: Callable[[Golden], Iterable[Any]] | None = None) -> list[Any]:
    """Parameters of a test: each file of these names, or each pair of a file and one of its cases.

    Without any there is one set of parameters, which is skipped and says which file is not there.
    """
    found = []
    for file in files(*patterns):
        if cases is None:
            found.append(pytest.param(file, id=str(file)))
        else:
            found += [pytest.param(file, case, id=f"{file}-{_label(case)}") for case in cases(file)]
    if found:
        return found
    name, where = " or ".join(patterns), ", ".join(map(str, SETS))
    reason = f"{name}: what this compares is not in {where}" if files(*patterns) else f"{name} is not in {where}"
    nothing = [None] * (1 if cases is None else 2)
    return [pytest.param(*nothing, id=name, marks=pytest.mark.skip(reason=reason))]


def prefixes(file: Golden, suffix: str) -> list[str]:
    """What the names of arrays that end like this begin with: the cases of a file."""
    return sorted(name.removesuffix(suffix) for name in file.stored if name.endswith(suffix))


def weight(salt: str, name: str, shape: tuple[int, ...]) -> Tensor:
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


def normalised_video(frames: np.ndarray) -> Tensor:
    """uint8 [B, T, H, W, 3] → float32 [B, 3, T, H, W], ImageNet mean and deviation."""
    video = torch.from_numpy(frames).float() / 255
    return ((video - torch.tensor(IMAGENET_MEAN)) / torch.tensor(IMAGENET_STD)).permute(0, 4, 1, 2, 3)


@cache
def _arrays(path: Path) -> dict[str, np.ndarray]:
    with np.load(path, allow_pickle=False) as content:
        return dict(content)


def _number(text: str, before: str) -> float:
    """The number that follows some words in a text, which must be there."""
    found = re.search(rf"{re.escape(before)}\s*(\.?\d[\d.]*(?:e[+-]?\d+)?)", text)
    assert found, f"no number after {before!r} in {text!r}"
    return float(found[1].rstrip("."))


def _label(case: Any) -> str:
    return "-".join(map(str, case)) if isinstance(case, tuple) else str(case).removesuffix(".")
