"""Migrates the contents of files with an older schema.

Schema 1 (until November 2026) had the key `format`, one flat `identity`, and all other values beside it.
"""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

SCHEMA = 2
"""The schema of files that are written now."""

Content = dict[str, Any]


def schema_of(content: Any) -> int:
    """The schema number of a file's content, as `json.loads` returns it."""
    return int(content.get("schema", content.get("format", 1)))


def up_to_date(content: Content, kind: str) -> Content:
    """The content of a file in the present schema. `kind` is the name of the dataclass that it becomes.

    Raises:
        KeyError, TypeError, AttributeError: the content is damaged.
    """
    if schema_of(content) == SCHEMA:
        return content
    return {**_FROM_1.get(kind, dict)(content), "schema": SCHEMA}


def _record(old: Content) -> Content:
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


def _training(old: Content) -> Content:
    return {key: value for key, value in old.items() if key != "format"}


_FROM_1: dict[str, Callable[[Content], Content]] = {"Record": _record, "TrainingRecord": _training}
"""What changed in schema 2, by class; the others only got their number."""
