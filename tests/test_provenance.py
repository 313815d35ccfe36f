from __future__ import annotations

import subprocess
import sys

import numpy as np
import pytest

PROGRAM = "from vgmae_bench.provenance import peak_memory_mb; print(peak_memory_mb())"


def _peak_of_a_small_process() -> float:
    done = subprocess.run([sys.executable, "-c", PROGRAM], capture_output=True, text=True, check=True)
    return float(done.stdout)


@pytest.mark.skipif(sys.platform != "linux", reason="elsewhere only getrusage knows")
def test_memory_of_the_parent_does_not_count() -> None:
    ours = np.ones(60_000_000, dtype=np.uint8)
    ours[::4096] = 2  # resident while the process is started
    assert 5 < _peak_of_a_small_process() < 60


def test_peak_memory_does_not_decrease() -> None:
    hold = "held = bytearray(b'1') * 80_000_000; del held"
    grown = f"{PROGRAM}; {hold}; print(peak_memory_mb())"
    done = subprocess.run([sys.executable, "-c", grown], capture_output=True, text=True, check=True)
    before, after = map(float, done.stdout.split())
    assert after - before > 70
