"""Settings in nested dataclasses: names, values, descriptions."""

from __future__ import annotations

from dataclasses import dataclass, field
from typing import Any, Literal

import pytest

from vgmae_bench.config import build
from vgmae_bench.errors import PluginError, UsageError
from vgmae_bench.settings import flatten, nest, no_effect, settings_of, without_effect


@dataclass(frozen=True)
class Features:
    """Settings of the features.

    Attributes:
        stitch: how often. Never less than 1.
        order, layer: of the
            maps.
    """

    stitch: int = 2
    order: Literal["near", "far"] = "near"
    layer: int | None = None


@dataclass(frozen=True)
class Gaussians:
    """Settings of the Gaussians.

    Attributes:
        order: of what.
        first to third: switches.
    """

    order: str = "x"
    first: bool = False
    second: bool = False
    third: tuple[int, ...] = (1,)


@dataclass(frozen=True)
class Settings:
    """All of them.

    Attributes:
        variant: which.
        batch: frames at once.
    """

    variant: Literal["a", "b"] = "a"
    batch: int = no_effect(4)
    features: Features = field(default_factory=Features)
    gaussians: Gaussians = field(default_factory=Gaussians)


def test_settings_are_named_by_path_and_described_by_the_docstring() -> None:
    found = {setting.path: setting for setting in settings_of(Settings)}
    assert list(found)[:3] == ["variant", "batch", "features.stitch"]
    assert found["features.stitch"].about == "how often."
    assert found["features.layer"].about == "of the maps."
    assert found["features.layer"].choices == "int | none"
    assert found["gaussians.second"].about == "switches."
    assert found["gaussians.third"].choices == "[int, …]"
    assert [path for path, setting in found.items() if not setting.changes_answers] == ["batch"]


def test_a_section_with_a_section_is_refused() -> None:
    @dataclass(frozen=True)
    class Deep:
        inner: Settings = field(default_factory=Settings)

    with pytest.raises(PluginError, match="The section inner has the section features: sections contain only settings"):
        settings_of(Deep)


@pytest.mark.parametrize(
    "values",
    [{"features.stitch": "3"}, {"stitch": 3}, {"features": {"stitch": 3}}, {"features": {"stitch": 3}, "variant": "a"}],
)
def test_a_setting_is_set_by_path_last_part_or_section(values: dict[str, Any]) -> None:
    assert build(Settings, values, owner="it") == Settings(features=Features(stitch=3))


@pytest.mark.parametrize(
    ("values", "why"),
    [
        ({"order": "far"}, r"they are: features\.order, gaussians\.order"),
        ({"stich": 3}, r"Did you mean .*stitch"),
        ({"features.variant": "a"}, "no setting"),
        ({"stitch": 3, "features.stitch": 4}, "given twice"),
        ({"stitch": "many"}, r"features\.stitch='many'"),
        ({"features": 3}, 'no setting "features"'),
    ],
)
def test_ambiguous_and_unknown_settings_are_refused(values: dict[str, Any], why: str) -> None:
    with pytest.raises(UsageError, match=why):
        build(Settings, values, owner="it")


def test_values_that_are_mappings_stay_whole() -> None:
    @dataclass
    class WithMapping:
        weights: dict[str, int] = field(default_factory=dict)

    assert nest(WithMapping, {"weights": {"a": 1}}, owner="it") == {"weights": {"a": 1}}


def test_settings_are_flattened_to_names_that_are_unique() -> None:
    flat = flatten(Settings(features=Features(stitch=3)))
    assert flat["stitch"] == 3 and flat["batch"] == 4
    assert list(build(Settings, flat, owner="it").__dict__) == list(vars(Settings()))
    assert build(Settings, flat, owner="it") == Settings(features=Features(stitch=3))


def test_settings_without_effect_count_as_their_defaults() -> None:
    changed = Settings(variant="b", batch=8, features=Features(stitch=3))
    assert without_effect(Settings()) == {}
    assert without_effect(changed) == {"batch": 4}
    assert without_effect(changed, ["features"]) == {"batch": 4, "stitch": Features().stitch}
    assert without_effect(changed, ["features.stitch", "variant"]) == {"batch": 4, "stitch": 2, "variant": "a"}
