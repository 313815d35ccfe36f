from __future__ import annotations

from dataclasses import fields
from typing import get_args

import pytest

from vgmae_bench.errors import UsageError
from vgmae_bench.videogmae.gaussians.switches import PRESETS, Preset, Switches


def test_every_preset_has_a_name() -> None:
    assert set(PRESETS) == set(get_args(Preset))


def test_the_release_preset_differs_from_the_default_in_every_option() -> None:
    numbers = {"topk", "tau", "beta", "beta_mode"}
    for field in fields(Switches):
        agree = getattr(PRESETS["release"], field.name) == getattr(PRESETS["default"], field.name)
        assert agree == (field.name in numbers), field.name


@pytest.mark.parametrize("wrong", [{"topk": 0}, {"beta": 1.5}, {"beta": -0.1}])
def test_impossible_numbers_are_refused(wrong: dict[str, float]) -> None:
    with pytest.raises(UsageError, match=str(next(iter(wrong.values())))):
        Switches(**wrong)  # type: ignore[arg-type]  # the names are fields
