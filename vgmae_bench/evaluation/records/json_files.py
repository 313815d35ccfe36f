"""Reads and writes the JSON files of results. Their contents are dataclasses.

Each file has a schema number. Files with an older schema are migrated when they are read: schema 1 (until November 2026) had
the key `format`, one flat `identity`, and all other values beside it. Files with a newer schema are refused. Reading imports
neither torch nor pandas nor h5py.
"""

from __future__ import annotations

import json
from dataclasses import dataclass, field
from functools import cache
from pathlib import Path
from typing import Any, Self

from vgmae_bench import config
from vgmae_bench.errors import BadDataError
from vgmae_bench.files import write_atomically

SCHEMA = 2
"""The schema of files that are written now."""


@dataclass(frozen=True)
class JsonFile:
    """The content of a JSON file, with the number of its schema."""

    schema: int = field(default=SCHEMA, kw_only=True)

    @classmethod
    def read(cls, path: Path) -> Self:
        """Read a file.

        Raises:
            FileNotFoundError: there is no such file.
            BadDataError: the file is damaged, holds something else, or has a newer schema.
        """
        from pydantic import ValidationError

        try:
            content = json.loads(path.read_text(encoding="utf-8"))
            schema = int(content.get("schema", content.get("format", 1)))
            if schema > SCHEMA:
                raise BadDataError(
                    f"{path} was written by a newer vgmae-bench",
                    f"its schema is {schema}, this version reads up to {SCHEMA}",
                    try_="pip install --upgrade vgmae-bench",
                )
            if schema < SCHEMA:
                content = _record(content) if cls.__name__ == "Record" else content
                content = {**content, "schema": SCHEMA}
                content.pop("format", None)
            read: Self = cls._adapter().validate_json(json.dumps(content), strict=True)
            return read
        except FileNotFoundError:
            raise
        except ValidationError as error:
            first = error.errors()[0]
            where = ".".join(str(part) for part in first["loc"]) or "the whole"
            raise BadDataError(f"{path} is damaged", f"{where}: {first['msg']}") from error
        except (OSError, ValueError, KeyError, TypeError, AttributeError, RecursionError) as error:
            raise BadDataError(f"{path} is damaged", f"{type(error).__name__}: {error}") from error

    @classmethod
    @cache
    def _adapter(cls) -> Any:
        """Builds and checks objects of this class."""
        from pydantic import TypeAdapter

        return TypeAdapter(cls)

    def text(self) -> str:
        """The text of the file. Raises ValueError if a number in it is not finite."""
        return json.dumps(config.to_json(self), indent=2, ensure_ascii=False, allow_nan=False) + "\n"

    def write(self, path: Path) -> None:
        """Write the file, atomically. Raises StorageError."""
        text = self.text()
        write_atomically(path, lambda temporary: temporary.write_text(text, encoding="utf-8", errors="replace"))


def _record(old: dict[str, Any]) -> dict[str, Any]:
    """The record of a run in schema 2. Other files have the same keys in both schemas."""
    identity, weights = old["identity"], old["identity"]["weights"]
    return {
        "key": old["key"],
        "method": {
            "name": identity["method"],
            "settings": identity["method_config"],
            "seed": identity["seed"],
            "source": identity["method_source"],
            "weights": {"name": old["weights_name"], "sha256": weights} if weights else None,
            "note": old["note"],
        },
        "dataset": {
            "name": identity["dataset"],
            "digest": identity["dataset_digest"],
            "settings": old.get("dataset_settings") or {},
            "options": old.get("dataset_options") or {},
            "published_clips": old.get("published_clips"),
            "coverage": old.get("coverage"),
            "files": old.get("read_from") or [],
        },
        "protocol": identity["protocol"],
        "protocol_digest": old["protocol_digest"],
        "protocol_sentence": old["protocol_sentence"],
        "sessions": old["sessions"],
        "external": old.get("external"),
    }
