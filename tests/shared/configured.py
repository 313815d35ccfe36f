"""Builds dataclasses of settings from names, as `--set` does."""

from __future__ import annotations

from typing import Any, TypeVar

from vgmae_bench.config import build
from vgmae_bench.settings import flatten

T = TypeVar("T")


def configured(config_class: type[T], **settings: Any) -> T:
    """A dataclass of settings from `--set` values."""
    return build(config_class, settings, owner="it")


def changed(config: T, **settings: Any) -> T:
    """A copy of the settings with some values changed."""
    return build(type(config), {**flatten(config), **settings}, owner="it")
