"""The JSON form of all benchmarks: results, machine, commit."""

from __future__ import annotations

import json
import os
from collections.abc import Mapping
from datetime import UTC, datetime
from typing import Any

from vgmae_bench import provenance
from vgmae_bench.config import to_json


def in_form(benchmark: str, results: Mapping[str, Any], device: str = "cpu") -> str:
    """The JSON text of a benchmark's results.

    Arguments:
        benchmark: the name of the benchmark's file.
        results: the numbers. The entry "notes" describes the measurement.
        device: the device of the measurement.
    """
    numbers = {name: value for name, value in results.items() if name != "notes"}
    load = [round(one, 2) for one in os.getloadavg()]
    content = {
        "benchmark": benchmark,
        "date": datetime.now(UTC).isoformat(timespec="seconds"),
        "machine": to_json(provenance.collect(device)),
        "notes": {**results.get("notes", {}), "load_average": load},
        "results": numbers,
    }
    return json.dumps(content, indent=2)
