"""The settings of a dataclass: names, defaults, choices, and the descriptions in its docstring.

A dataclass may have sections, which are dataclasses without sections: `features: Features = field(default_factory=Features)`.
A setting of a section is called `features.stitch`. If no other setting has the same last part, `stitch` works too.
"""

from __future__ import annotations

import dataclasses
import inspect
import os
import re
import types
import typing
from collections import Counter
from collections.abc import Collection, Iterator, Mapping
from dataclasses import dataclass
from operator import attrgetter
from pathlib import Path
from typing import Any, TypeVar

from vgmae_bench.errors import PluginError, UsageError
from vgmae_bench.plugins import did_you_mean

Default = TypeVar("Default", int, None)

_NO_EFFECT = {"changes_answers": False}


@dataclass(frozen=True)
class Setting:
    """One setting.

    Attributes:
        section: the field of the section that contains the setting, or empty.
        leaf: its own field.
        default: its default value.
        choices: the possible values as text: "causal | bidirectional", "int", "float | none".
        about: its description, the first sentence in the docstring.
        changes_answers: False for settings that change only time or memory.
    """

    section: str
    leaf: str
    default: Any
    choices: str
    about: str
    changes_answers: bool

    @property
    def path(self) -> str:
        """ "stitch", or "features.stitch" in a section."""
        return f"{self.section}.{self.leaf}" if self.section else self.leaf


def no_effect(default: Any) -> Any:
    """A field for a setting that does not change predictions, such as a batch size or a number of threads."""
    return dataclasses.field(default=default, metadata=_NO_EFFECT)


def at_least(config: Any, **limits: float) -> None:
    """Raise UsageError if a setting is below its limit, or NaN. None passes."""
    for name, limit in limits.items():
        value = getattr(config, name)
        if value is not None and not value >= limit:
            raise UsageError(f"{name} must be at least {limit}", f"it is {value}")


def positive(config: Any, *names: str) -> None:
    """Raise UsageError if a setting is not above 0, or NaN. None passes."""
    for name in names:
        value = getattr(config, name)
        if value is not None and not value > 0:
            raise UsageError(f"{name} must be positive", f"it is {value}")


def environment_number(name: str, default: Default, environment: Mapping[str, str] = os.environ) -> int | Default:
    """The whole number in an environment variable; `default` if the variable is empty or not set.

    Raises:
        UsageError: the value is not a whole number.
    """
    text = environment.get(name, "").strip()
    if not text:
        return default
    if not (text.isascii() and text.isdigit()):
        what = f"The environment variable {name} is {text!r}"
        raise UsageError(what, "it must be a whole number", try_=f"unset {name}")
    return int(text)


def multiple_of(config: Any, **divisors: int | str) -> None:
    """Raise UsageError if a setting is not a multiple of a number, or of another setting, which is given by its name."""
    for name, divisor in divisors.items():
        number = getattr(config, divisor) if isinstance(divisor, str) else divisor
        if getattr(config, name) % number:
            told = f"{divisor}={number}" if isinstance(divisor, str) else number
            raise UsageError(f"{name} must be a multiple of {told}", f"it is {getattr(config, name)}")


def settings_of(config_class: type[Any], section: str = "") -> list[Setting]:
    """All settings of a dataclass and of its sections, in order.

    Arguments:
        section: the field that holds this dataclass, if it is a section itself.

    Raises:
        PluginError: a section has a section.
    """
    hints, told = typing.get_type_hints(config_class), documented(config_class)
    found: list[Setting] = []
    for field in dataclasses.fields(config_class):
        name, kind = field.name, hints[field.name]
        if dataclasses.is_dataclass(kind):
            if section:
                raise PluginError(f"The section {section} has the section {name}", "sections contain only settings")
            found += settings_of(typing.cast(Any, kind), name)
            continue
        default = field.default_factory() if field.default_factory is not dataclasses.MISSING else field.default
        sentence = re.split(r"(?<=\.)\s+(?=[A-Z\"])", told.get(name, ""))[0]
        changes = field.metadata.get("changes_answers", True)
        found.append(Setting(section, name, default, choices(kind), sentence, changes))
    return found


def flatten(config: Any) -> dict[str, Any]:
    """The values of all settings by name. The name is the last part of the path if this part is unique, else the path.

    Arguments:
        config: an instance, or None, which has no settings.
    """
    return {name: value for _, name, value in _values(config)}


def without_effect(config: Any, unused: Collection[str] = ()) -> dict[str, Any]:
    """The defaults of all settings that differ from their defaults but do not change predictions, by name as in `flatten`.

    Arguments:
        config: an instance.
        unused: further settings and sections that do not change the predictions of this configuration.
    """
    return {
        name: setting.default
        for setting, name, value in _values(config)
        if not setting.changes_answers or not {setting.path, setting.section}.isdisjoint(unused)
        if value != setting.default
    }


def nest(config_class: type[Any], values: Mapping[str, Any], *, owner: str) -> dict[str, Any]:
    """Sort settings into the sections of a dataclass.

    Arguments:
        config_class: the dataclass.
        values: settings by path or by a unique last part, or mappings of whole sections.
        owner: the name of the configured object, for messages ("videogmae").

    Raises:
        UsageError: a name is unknown (the message has a suggestion), several sections have the name, or a setting is
            given twice.
    """
    known = settings_of(config_class)
    nested: dict[str, Any] = {}
    for name, value in values.items():
        whole = isinstance(value, Mapping) and name in [setting.section for setting in known]
        given = {f"{name}.{leaf}": part for leaf, part in value.items()} if whole else {name: value}
        for path, one in given.items():
            setting = _find(path, known, owner)
            place = nested.setdefault(setting.section, {}) if setting.section else nested
            if setting.leaf in place:
                raise UsageError(f"{owner}: the setting {setting.path} is given twice", f'once as "{path}"')
            place[setting.leaf] = one
    return nested


def describe_settings(config_class: type[Any]) -> dict[str, dict[str, Any]]:
    """Settings by path, as plain JSON values: "default" (None for a setting without one), "choices", "about"."""

    def plain(default: Any) -> Any:
        return None if default is dataclasses.MISSING else str(default) if isinstance(default, Path) else default

    return {
        setting.path: {"default": plain(setting.default), "choices": setting.choices, "about": setting.about}
        for setting in settings_of(config_class)
    }


def choices(annotation: Any) -> str:
    """The possible values of a type as text."""
    if annotation is type(None):
        return "none"
    arguments = typing.get_args(annotation)
    origin = typing.get_origin(annotation)
    if origin is typing.Literal:
        return " | ".join(map(str, arguments))
    if origin in (typing.Union, types.UnionType):
        return " | ".join(map(choices, arguments))
    if origin is tuple:
        inner = [choices(argument) for argument in arguments if argument is not ...]
        return f"[{', '.join(inner)}{', …' if ... in arguments else ''}]"
    return annotation.__name__ if isinstance(annotation, type) else str(annotation)


def documented(config_class: type[Any]) -> dict[str, str]:
    """The descriptions in the "Attributes:" sections of a dataclass and its bases, by field name."""
    told: dict[str, str] = {}
    for part in reversed(config_class.__mro__):
        text = inspect.cleandoc(part.__doc__ or "") if dataclasses.is_dataclass(part) else ""
        _, _, section = text.partition("Attributes:\n")
        for entry in re.split(r"\n(?=    \S)", section.split("\n\n")[0]):
            names, colon, about = entry.partition(":")
            if colon:
                told |= dict.fromkeys(_listed(names, part), " ".join(about.split()))
    return told


def _listed(names: str, config_class: type[Any]) -> list[str]:
    """The fields in "depth, width", or in "depth to width", which means all fields from depth to width."""
    first, to, last = (part.strip() for part in names.partition(" to "))
    fields = [field.name for field in dataclasses.fields(config_class)]
    if to and first in fields and last in fields:
        return fields[fields.index(first) : fields.index(last) + 1]
    return [name.strip() for name in names.split(",")]


def _values(config: Any) -> Iterator[tuple[Setting, str, Any]]:
    """All settings, with their names (see `flatten`) and values."""
    known = [] if config is None else settings_of(type(config))
    leaves = Counter(setting.leaf for setting in known)
    for setting in known:
        yield setting, setting.leaf if leaves[setting.leaf] == 1 else setting.path, attrgetter(setting.path)(config)


def _find(name: str, known: list[Setting], owner: str) -> Setting:
    """The setting with this path, or with this last part if it is unique."""
    meant = [one for one in known if one.path == name] or [one for one in known if one.leaf == name]
    if len(meant) == 1:
        return meant[0]
    if meant:
        told = "they are: " + ", ".join(one.path for one in meant)
        raise UsageError(f'{owner} has {len(meant)} settings "{name}"', told, try_=f"--set {meant[0].path}=…")
    paths, names = [one.path for one in known], dict.fromkeys(part for one in known for part in (one.path, one.leaf))
    raise UsageError(
        f'{owner} has no setting "{name}"',
        did_you_mean(name, names) or ("its settings are: " + ", ".join(paths) if paths else "it has none"),
        try_=f"vgmae-bench show {owner}",
    )
