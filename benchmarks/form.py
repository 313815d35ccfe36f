"""The one JSON form of all benchmarks: what was measured, on what machine, at what commit."""

from __future__ import annotations

import json
import os
from collections.abc import Mapping
from datetime import UTC, datetime
from typing import Any

from vgmae_bench import provenance


def in_form(benchmark: str, results: Mapping[str, Any], device: str = "cpu") -> str:
    """JSON text of a benchmark's numbers.

    Arguments:
        benchmark: its name, that of its file.
        results: the numbers; under "notes", how they were measured.
        device: they were measured on.
    """
    numbers = {name: value for name, value in results.items() if name != "notes"}
    load = [round(one, 2) for one in os.getloadavg()]
    content = {
        "benchmark": benchmark,
        "date": datetime.now(UTC).isoformat(timespec="seconds"),
        "machine": provenance.collect(device),
        "notes": {**results.get("notes", {}), "load_average": load},
        "results": numbers,
    }
    return json.dumps(content, indent=2)
