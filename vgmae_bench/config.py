"""Settings: plain dataclasses, filled from TOML and `--set key=value`, validated, and reduced to a digest."""

from __future__ import annotations

import dataclasses
import hashlib
import inspect
import json
import tomllib
import typing
from collections.abc import Callable, Iterable, Mapping
from pathlib import Path
from typing import Any, TypeVar

from vgmae_bench.errors import UsageError

Json = None | bool | int | float | str | list["Json"] | dict[str, "Json"]
T = TypeVar("T")


def parse_assignments(assignments: Iterable[str]) -> dict[str, Any]:
    """Turn `key=value` strings into a mapping. Values are TOML where they parse as TOML, else plain strings.

    >>> parse_assignments(["levels=3", "mode=fast", "scales=[1, 2]"])
    {'levels': 3, 'mode': 'fast', 'scales': [1, 2]}

    Raises:
        UsageError: no "=", or an empty key.
    """
    values: dict[str, Any] = {}
    for assignment in assignments:
        key, equals, text = assignment.partition("=")
        if not equals or not key.strip():
            raise UsageError(f'"{assignment}" is not a setting', "settings look like key=value")
        try:
            values[key.strip()] = tomllib.loads(f"value = {text}")["value"]
        except tomllib.TOMLDecodeError:
            values[key.strip()] = text
    return values


def read_toml(path: Path) -> dict[str, Any]:
    """The content of a TOML file. Raises UsageError when it is missing or does not parse."""
    try:
        return tomllib.loads(path.read_text(encoding="utf-8"))
    except OSError as error:
        raise UsageError(f"Cannot read the configuration {path}", error.strerror or str(error)) from error
    except tomllib.TOMLDecodeError as error:
        raise UsageError(f"The configuration {path} is not valid TOML", str(error)) from error


def build(config_class: type[T], values: Mapping[str, Any], *, owner: str) -> T:
    """Make a dataclass from settings; strings are coerced to the field types, unknown keys are refused.

    Arguments:
        config_class: a dataclass whose fields have defaults.
        values: settings by field name.
        owner: what is being configured, for messages ("videogmae").

    Raises:
        UsageError: an unknown key (with a suggestion) or a value of the wrong type.
    """
    from pydantic import ConfigDict, TypeAdapter, ValidationError, with_config

    from vgmae_bench.plugins import did_you_mean

    names = [field.name for field in dataclasses.fields(config_class)]  # type: ignore[arg-type]  # any dataclass
    for key in values:
        if key not in names:
            raise UsageError(
                f'{owner} has no setting "{key}"',
                did_you_mean(key, names) or ("its settings are: " + ", ".join(names) if names else "it has none"),
                try_=f"vgmae-bench show {owner}",
            )
    try:
        adapter = TypeAdapter(with_config(ConfigDict(extra="forbid"))(config_class))
        return adapter.validate_python(dict(values))
    except ValidationError as error:
        first = error.errors()[0]
        where = ".".join(str(part) for part in first["loc"])
        raise UsageError(
            f"{owner}: setting {where}={values.get(where)!r} is not valid",
            first["msg"],
            try_=f"vgmae-bench show {owner}",
        ) from error


def call_with(factory: Callable[..., T], settings: Mapping[str, Any], *, owner: str, **offers: Any) -> tuple[T, Json]:
    """Call a plugin's factory with whichever of `offers` and `config` it names as parameters.

    The class of `config` is read from the factory's annotation, built from `settings`, and returned as plain JSON.
    A factory without a `config` parameter accepts no settings.
    """
    parameters = inspect.signature(factory).parameters
    config: Any = None
    if "config" in parameters:
        target = factory.__init__ if inspect.isclass(factory) else factory
        config = build(typing.get_type_hints(target)["config"], settings, owner=owner)
        offers["config"] = config
    elif settings:
        raise UsageError(f"{owner} has no settings", f'"{next(iter(settings))}" was given')
    made = factory(**{name: value for name, value in offers.items() if name in parameters})
    return made, {} if config is None else to_json(config)


def takes(factory: Callable[..., Any], name: str) -> bool:
    """Whether a plugin's factory has a parameter of that name."""
    return name in inspect.signature(factory).parameters


def to_json(value: Any) -> Json:
    """Dataclasses, paths, tuples and NumPy scalars as plain JSON values."""
    if dataclasses.is_dataclass(value) and not isinstance(value, type):
        return {field.name: to_json(getattr(value, field.name)) for field in dataclasses.fields(value)}
    if isinstance(value, Mapping):
        return {str(key): to_json(item) for key, item in value.items()}
    if isinstance(value, list | tuple | set | frozenset):
        return [to_json(item) for item in value]
    if isinstance(value, Path):
        return str(value)
    plain: Json = value.item() if hasattr(value, "item") else value
    return plain


def digest(value: Any) -> str:
    """SHA-256 (hex) of the canonical JSON of a value: keys sorted, no spaces, no NaN."""
    text = json.dumps(to_json(value), sort_keys=True, separators=(",", ":"), allow_nan=False)
    return hashlib.sha256(text.encode()).hexdigest()
