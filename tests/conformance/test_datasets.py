"""Faults of datasets are found, and correct datasets pass."""

from __future__ import annotations

import itertools
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any

import numpy as np
import pytest

import vgmae_bench as vb
from tests.clips import clip, write_davis
from vgmae_bench.errors import UsageError


@dataclass(frozen=True)
class SquaresConfig:
    seed: int = 0
    clips: int = 2


class Squares:
    """A moving texture. The digest depends on the settings."""

    def __init__(self, config: SquaresConfig) -> None:
        self.config = config

    @property
    def ids(self) -> list[str]:
        return [f"clip-{number}" for number in range(self.config.clips)]

    @property
    def digest(self) -> str:
        return f"squares 1 {self.config}"

    def clip(self, clip_id: str) -> vb.Clip:
        return replace(clip(seed=self.config.seed + int(clip_id[-1]), num_points=30), id=clip_id)


class ConstantDigest(Squares):
    digest = "squares"  # type: ignore[assignment]


class NewDigest(Squares):
    _numbers = itertools.count()

    def __init__(self, config: SquaresConfig) -> None:
        super().__init__(config)
        self.number = next(self._numbers)

    @property
    def digest(self) -> str:
        return f"squares {self.number}"


class Unsorted(Squares):
    _orders = itertools.count()

    def __init__(self, config: SquaresConfig) -> None:
        super().__init__(config)
        self.turned = next(self._orders) % 2

    @property
    def ids(self) -> list[str]:
        return super().ids[:: -1 if self.turned else 1]


class Twice(Squares):
    ids = ["clip-0", "clip-0"]  # type: ignore[assignment]  # noqa: RUF012


class Empty(Squares):
    ids: list[str] = []  # type: ignore[assignment]  # noqa: RUF012


class Changing(Squares):
    """Generates other clips at each reading."""

    _seeds = itertools.count()

    def clip(self, clip_id: str) -> vb.Clip:
        return replace(clip(seed=next(self._seeds)), id=clip_id)


class Different(Squares):
    """Generates other clips at each opening."""

    _seeds = itertools.count()

    def __init__(self, config: SquaresConfig) -> None:
        super().__init__(replace(config, seed=next(self._seeds)))

    digest = "squares"  # type: ignore[assignment]


class Changed(Squares):
    """Every clip has one fault."""

    def changes(self, good: vb.Clip) -> dict[str, Any]:
        raise NotImplementedError

    def clip(self, clip_id: str) -> vb.Clip:
        good = super().clip(clip_id)
        return replace(good, **self.changes(good))


class Pixels(Changed):
    def changes(self, good: vb.Clip) -> dict[str, Any]:
        return {"points": good.points * np.float32(64)}


class Exchanged(Changed):
    def changes(self, good: vb.Clip) -> dict[str, Any]:
        return {"points": good.points[..., ::-1]}


class AllHidden(Changed):
    def changes(self, good: vb.Clip) -> dict[str, Any]:
        return {"occluded": np.ones_like(good.occluded)}


class Short(Changed):
    def changes(self, good: vb.Clip) -> dict[str, Any]:
        return {"read": lambda: good.frames()[:-1]}


class Floats(Changed):
    def changes(self, good: vb.Clip) -> dict[str, Any]:
        return {"read": lambda: good.frames() / 255}


class Black(Changed):
    def changes(self, good: vb.Clip) -> dict[str, Any]:
        return {"read": lambda: good.frames() // 255}


@pytest.mark.parametrize(
    ("faulty", "check", "word"),
    [
        (ConstantDigest, "digest", "seed=1, clips=3 changes clips and not the digest"),
        (NewDigest, "digest", "the digest differs and the clips do not"),
        (Different, "digest", "differs and the digest does not"),
        (Changing, "clips", "read twice, it differs"),
        (Unsorted, "ids", "its ids differ"),
        (Twice, "opens", "clip-0"),
        (Empty, "opens", "no clip"),
        (Pixels, "clips", "look like pixels"),
        (Exchanged, "clips", "x and y look exchanged"),
        (AllHidden, "clips", "no point is visible"),
        (Short, "clips", "11"),
        (Floats, "clips", "uint8"),
        (Black, "clips", "0 or 1"),
    ],
)
def test_a_fault_is_found(faulty: type, check: str, word: str) -> None:
    report = vb.check(faulty, kind="dataset")
    assert any(found.check == check and word in str(found) for found in report.faults), report


def test_correct_datasets_pass(tmp_path: Path) -> None:
    for good in (Squares, [clip()]):
        report = vb.check(good)  # type: ignore[arg-type]
        assert report.passed and report.kind == "dataset", report
    told = str(vb.check(Squares))
    assert "it follows seed=1, clips=3" in told
    report = vb.check("davis", data_root=write_davis(tmp_path / "davis"))
    assert report.passed and "3 of 3 clips" in str(report), report


def test_shipped_datasets_pass_or_say_what_is_missing() -> None:
    assert vb.check("warp").passed
    report = vb.check("kinetics")
    assert report.passed and "its files are not here" in str(report)
    with pytest.raises(UsageError, match="it names the folder with your videos"):
        vb.check("folder")
