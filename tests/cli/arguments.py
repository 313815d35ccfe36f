"""Command lines that differ from a usual one."""

from __future__ import annotations

from collections.abc import Sequence


def changed(usual: Sequence[str], *changes: str) -> list[str]:
    """The usual arguments, in which `changes` replace options of the same name. `--set` and `--data` are added instead."""
    arguments = list(usual)
    for option, value in zip(changes[::2], changes[1::2], strict=True):
        if option in arguments and option not in ("--set", "--data"):
            arguments[arguments.index(option) + 1] = value
        else:
            arguments += [option, value]
    return arguments
