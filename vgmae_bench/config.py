"""Builds and validates the dataclasses of settings from TOML and `--set key=value`, and computes their digest."""

from __future__ import annotations

import dataclasses
import hashlib
import inspect
import json
import tomllib
import typing
from collections.abc import Callable, Collection, Iterable, Mapping
from pathlib import Path
from typing import Any, Generic, NamedTuple, TypeVar

from vgmae_bench.errors import PluginError, UsageError
from vgmae_bench.settings import flatten, nest, without_effect

Json = None | bool | int | float | str | list["Json"] | dict[str, "Json"]
T = TypeVar("T")


def parse_assignments(assignments: Iterable[str]) -> dict[str, Any]:
    """Convert `key=value` strings to a mapping. A value that parses as TOML is TOML; any other value is a string.

    >>> parse_assignments(["levels=3", "mode=fast", "scales=[1, 2]"])
    {'levels': 3, 'mode': 'fast', 'scales': [1, 2]}

    Raises:
        UsageError: no "=", an empty key, or a key that is given twice.
    """
    values: dict[str, Any] = {}
    for assignment in assignments:
        key, equals, text = assignment.partition("=")
        if not equals or not key.strip():
            raise UsageError(f'"{assignment}" is not a setting', "settings look like key=value")
        if key.strip() in values:
            raise UsageError(f"The setting {key.strip()} is given twice", "each setting has one value")
        try:
            values[key.strip()] = tomllib.loads(f"value = {text}")["value"]
        except tomllib.TOMLDecodeError:
            values[key.strip()] = text
    return values


def read_toml(path: Path) -> dict[str, Any]:
    """The content of a TOML file. Raises UsageError if the file is missing or invalid."""
    try:
        return tomllib.loads(path.read_text(encoding="utf-8"))
    except OSError as error:
        raise UsageError(f"Cannot read the configuration {path}", error.strerror or str(error)) from error
    except tomllib.TOMLDecodeError as error:
        raise UsageError(f"The configuration {path} is not valid TOML", str(error)) from error


def build(config_class: type[T], values: Mapping[str, Any], *, owner: str) -> T:
    """Build a dataclass from settings. Strings are converted to the types of the fields; unknown names are errors.

    Arguments:
        config_class: a dataclass whose fields have defaults. Fields may be dataclasses themselves.
        values: settings by name; see `vgmae_bench.settings.nest`.
        owner: the name of the configured object, for messages ("videogmae").

    Raises:
        UsageError: a name is unknown (the message has a suggestion), or a value has the wrong type.
    """
    from pydantic import ConfigDict, TypeAdapter, ValidationError, with_config

    nested = nest(config_class, values, owner=owner)
    try:
        adapter = TypeAdapter(with_config(ConfigDict(extra="forbid"))(config_class))
        return adapter.validate_python(nested)
    except ValidationError as error:
        first = error.errors()[0]
        where = ".".join(str(part) for part in first["loc"])
        raise UsageError(
            f"{owner}: setting {where}={first['input']!r} is not valid",
            first["msg"],
            try_=f"vgmae-bench show {owner}",
        ) from error


class Built(NamedTuple, Generic[T]):
    """The product of a plugin's factory, and the dataclass of its settings; None for a factory without settings."""

    product: T
    config: Any

    @property
    def settings(self) -> dict[str, Json]:
        """All settings, defaults included, as plain JSON; see `vgmae_bench.settings.flatten`."""
        return {name: to_json(value) for name, value in flatten(self.config).items()}

    def without_effect(self, unused: Collection[str]) -> dict[str, Json]:
        """See `vgmae_bench.settings.without_effect`, as plain JSON."""
        return {name: to_json(value) for name, value in without_effect(self.config, unused).items()}


def call_with(factory: Callable[..., T], settings: Mapping[str, Any], *, owner: str, **offers: Any) -> Built[T]:
    """Call a plugin's factory with those of `offers` and `config` that are parameters of the factory.

    The annotation of the parameter `config` is a dataclass. This function builds it from `settings`. A factory without
    this parameter accepts no settings.

    Raises:
        PluginError: the factory is a class without one of the methods that its base class requires.
        UsageError: a setting is unknown or invalid, or the factory accepts no settings.
    """
    if inspect.isabstract(factory):
        lacking = " and ".join(sorted(vars(factory)["__abstractmethods__"]))
        raise PluginError(f"{owner} cannot be used", f"the class {factory.__name__} does not define {lacking}")
    parameters = inspect.signature(factory).parameters
    config: Any = None
    if config_class := config_of(factory):
        config = build(config_class, settings, owner=owner)
        offers["config"] = config
    elif settings:
        raise UsageError(f"{owner} has no settings", f'"{next(iter(settings))}" was given')
    return Built(factory(**{name: value for name, value in offers.items() if name in parameters}), config)


def config_of(factory: Callable[..., Any]) -> type[Any] | None:
    """The dataclass of a factory's settings: the annotation of its parameter `config`; None without this parameter.

    A class may inherit its constructor from a generic one: `class MyTracker(Base[MyConfig])`.

    Raises:
        PluginError: the parameter is not annotated with a dataclass.
    """
    if "config" not in inspect.signature(factory).parameters:
        return None
    target = factory.__init__ if inspect.isclass(factory) else factory
    try:
        annotation: Any = typing.get_type_hints(target).get("config")
    except NameError as error:
        raise PluginError(f"The annotations of {factory.__name__} cannot be read", str(error)) from error
    if isinstance(annotation, TypeVar) and isinstance(factory, type):
        bases = (base for each in factory.__mro__ for base in vars(each).get("__orig_bases__", ()))
        annotation = next((given for base in bases for given in typing.get_args(base) if isinstance(given, type)), None)
    if not (isinstance(annotation, type) and dataclasses.is_dataclass(annotation)):
        raise PluginError(
            f"The parameter config of {factory.__name__} is not annotated with a dataclass",
            "its fields are the settings of the method",
            try_="def __init__(self, config: MyConfig) where MyConfig is a dataclass",
        )
    return annotation


def merge(values: Mapping[str, Any], changes: Mapping[str, Any]) -> dict[str, Any]:
    """`values`, with the values of `changes` in place of the old ones. Sections are merged recursively."""
    merged = dict(values)
    for name, value in changes.items():
        inner = merged.get(name)
        both = isinstance(inner, Mapping) and isinstance(value, Mapping)
        merged[name] = merge(inner, value) if both else value  # type: ignore[arg-type]  # both are mappings
    return merged


def takes(factory: Callable[..., Any], name: str) -> bool:
    """Whether a plugin's factory has a parameter with this name."""
    return name in inspect.signature(factory).parameters


def to_json(value: Any) -> Json:
    """Dataclasses, paths, tuples and NumPy scalars as plain JSON values."""
    # pydantic_core.to_jsonable_python would refuse file names that are not UTF-8.
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
