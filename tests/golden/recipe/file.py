"""What a file of the set holds."""

from __future__ import annotations

from dataclasses import dataclass, field
from typing import Any

import numpy as np

from .rule import SALT, Weights

Arrays = dict[str, Any]


@dataclass
class File:
    """What one file holds.

    Attributes:
        case: what it is about, in words.
        inputs: arrays that are given.
        outputs: arrays that the reference made.
        what: descriptions of arrays; tests read settings from them.
        more: other entries of INDEX.json.
        weights: of the network, if there is one.
    """

    case: str
    inputs: Arrays
    outputs: Arrays
    what: dict[str, str] = field(default_factory=dict)
    more: dict[str, Any] = field(default_factory=dict)
    weights: Weights | None = None


def generator(name: str) -> np.random.Generator:
    """Random numbers of a file, from its name."""
    return np.random.default_rng([*SALT.encode(), *name.encode()])


def under(prefix: str, arrays: Arrays) -> Arrays:
    return {f"{prefix}{name}": value for name, value in arrays.items()}
