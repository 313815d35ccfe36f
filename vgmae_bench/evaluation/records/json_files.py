"""Reads and writes the JSON files of results. Their contents are dataclasses.

Each file has a schema number. Files with an older schema are migrated when they are read (see `migrate`). Files with a
newer schema are refused. Reading imports neither torch nor pandas nor h5py.
"""

from __future__ import annotations

import json
from collections.abc import Mapping
from dataclasses import dataclass, field
from pathlib import Path
from typing import TYPE_CHECKING, Any, TypeVar

from vgmae_bench import config
from vgmae_bench.errors import BadDataError
from vgmae_bench.evaluation.records.migrate import SCHEMA, schema_of, up_to_date
from vgmae_bench.files import write_atomically

if TYPE_CHECKING:
    from pydantic import TypeAdapter

T = TypeVar("T")


@dataclass(frozen=True)
class JsonFile:
    """The content of a JSON file, with the number of its schema."""

    schema: int = field(default=SCHEMA, kw_only=True)


def read(path: Path, kind: type[T]) -> T:
    """Read a file as a dataclass of this package.

    Raises:
        FileNotFoundError: there is no such file.
        BadDataError: the file is damaged, holds something else, or has a newer schema.
    """
    from pydantic import ValidationError

    try:
        content = json.loads(path.read_text(encoding="utf-8"))
        if (schema := schema_of(content)) > SCHEMA:
            raise BadDataError(
                f"{path} was written by a newer vgmae-bench",
                f"its schema is {schema}, this version reads up to {SCHEMA}",
                try_="pip install --upgrade vgmae-bench",
            )
        return _adapter(kind).validate_json(json.dumps(up_to_date(content, kind.__name__)), strict=True)
    except FileNotFoundError:
        raise
    except ValidationError as error:
        first = error.errors()[0]
        where = ".".join(str(part) for part in first["loc"]) or "the whole"
        raise BadDataError(f"{path} is damaged", f"{where}: {first['msg']}") from error
    except (OSError, ValueError, KeyError, TypeError, AttributeError, RecursionError) as error:
        raise BadDataError(f"{path} is damaged", f"{type(error).__name__}: {error}") from error


def text_of(content: Any) -> str:
    """The text of the file for a dataclass of this package.

    Raises:
        ValueError: a number in it is not finite.
    """
    return json.dumps(config.to_json(content), indent=2, ensure_ascii=False, allow_nan=False) + "\n"


def write(path: Path, content: Any) -> None:
    """Write a dataclass of this package, atomically. Raises StorageError."""
    text = text_of(content)
    write_atomically(path, lambda temporary: temporary.write_text(text, encoding="utf-8", errors="replace"))


def validated(kind: type[T], values: Mapping[str, Any]) -> T:
    """A dataclass of this package from plain values. Raises pydantic.ValidationError."""
    return _adapter(kind).validate_python(values)


_ADAPTERS: dict[type[Any], Any] = {}


def _adapter(kind: type[T]) -> TypeAdapter[T]:
    from pydantic import TypeAdapter

    adapter: TypeAdapter[T] = _ADAPTERS.get(kind) or _ADAPTERS.setdefault(kind, TypeAdapter(kind))
    return adapter
