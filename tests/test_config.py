"""Settings from the command line to a digest."""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path
from typing import Any, Generic, Literal, TypeVar

import pytest

from vgmae_bench import config
from vgmae_bench.errors import PluginError, UsageError
from vgmae_bench.types import Queries, StreamingTracker


@dataclass(frozen=True)
class Settings:
    levels: int = 3
    mode: Literal["fast", "exact"] = "fast"
    scales: tuple[float, ...] = (1.0,)


class Configured:
    def __init__(self, config: Settings, seed: int) -> None:
        self.config, self.seed = config, seed


def test_assignments_are_toml_or_text() -> None:
    got = config.parse_assignments(["a=1", "b=true", "c=some text", "d=[1, 2]", 'e="1"', "f=x=y"])
    assert got == {"a": 1, "b": True, "c": "some text", "d": [1, 2], "e": "1", "f": "x=y"}
    with pytest.raises(UsageError, match="key=value"):
        config.parse_assignments(["levels"])


def test_a_factory_gets_its_parameters_and_its_settings_are_recorded() -> None:
    built = config.call_with(Configured, {"levels": 5}, owner="it", seed=7, device="cpu")
    assert (built.product.config, built.product.seed) == (Settings(levels=5), 7)
    assert built.settings == {"levels": 5, "mode": "fast", "scales": [1.0]}


@pytest.mark.parametrize(
    ("values", "why"),
    [({"level": 1}, "Did you mean levels"), ({"levels": "many"}, "integer"), ({"mode": "slow"}, "'fast' or 'exact'")],
)
def test_wrong_settings_are_refused_with_the_reason(values: dict[str, Any], why: str) -> None:
    with pytest.raises(UsageError, match=why):
        config.build(Settings, values, owner="it")


def test_a_repeated_setting_is_refused() -> None:
    with pytest.raises(UsageError, match="levels is given twice"):
        config.parse_assignments(["levels=1", "levels=2"])


def test_a_factory_without_settings_takes_none() -> None:
    with pytest.raises(UsageError, match="no settings"):
        config.call_with(lambda: None, {"a": 1}, owner="it")


def test_a_class_without_a_required_method_is_refused() -> None:
    class Half(StreamingTracker):
        def start(self, queries: Queries) -> None: ...

    with pytest.raises(PluginError, match="half cannot be used: the class Half does not define step"):
        config.call_with(Half, {}, owner="half")


def test_digests_depend_on_values_not_on_order() -> None:
    assert config.digest({"a": 1, "b": (2,)}) == config.digest({"b": [2], "a": 1})
    assert config.digest(Settings()) != config.digest(Settings(levels=4))
    with pytest.raises(ValueError, match="not JSON compliant"):
        config.digest(float("nan"))


def test_toml_that_is_missing_or_wrong(tmp_path: Path) -> None:
    (tmp_path / "wrong.toml").write_text("levels = ")
    for name in ("wrong.toml", "missing.toml"):
        with pytest.raises(UsageError, match=name):
            config.read_toml(tmp_path / name)


C = TypeVar("C")


class Base(Generic[C]):
    def __init__(self, config: C, seed: int) -> None:
        self.config, self.seed = config, seed


class Child(Base[Settings]):
    pass


class Grandchild(Child):
    pass


@pytest.mark.parametrize("made", [Child, Grandchild])
def test_a_class_can_inherit_a_generic_constructor(made: type[Base[Settings]]) -> None:
    assert config.config_of(made) is Settings
    assert config.call_with(made, {"levels": 5}, owner="it", seed=7).product.config == Settings(levels=5)


def test_a_generic_class_without_settings_is_refused() -> None:
    with pytest.raises(PluginError, match="not annotated with a dataclass"):
        config.config_of(Base)
