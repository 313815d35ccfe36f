"""The examples run as they are: the script in a process of its own, the notebook in a kernel of its own."""

from __future__ import annotations

import os
import subprocess
import sys
from pathlib import Path

import nbclient
import nbformat
import pytest

ROOT = Path(__file__).parents[2]
EXAMPLES = ROOT / "examples"


@pytest.mark.slow
def test_the_script_joins_its_tracker_with_the_reference_and_compares() -> None:
    known = os.environ | {"PYTHONIOENCODING": "utf-8"}  # the stdout of a script is its user's affair
    done = subprocess.run(
        [sys.executable, EXAMPLES / "own_tracker.py"], capture_output=True, encoding="utf-8", timeout=200, env=known
    )
    assert done.returncode == 0, done.stderr
    table, _, sentences = done.stdout.rpartition("warp, tapvid-first")
    for method in ("Pan (from a Python session)", "lucas-kanade", "videogmae (tiny)"):
        assert method.split(" ")[0] in table
    assert "AJ: Pan" in sentences and "zero-motion" in sentences


@pytest.mark.slow
def test_the_notebook_runs_from_its_first_cell_to_its_last(tmp_path: Path) -> None:
    (tmp_path / "examples").mkdir()
    (tmp_path / "results").mkdir()
    (tmp_path / "results" / "reference").symlink_to(ROOT / "results" / "reference")
    notebook = nbformat.read(EXAMPLES / "quickstart.ipynb", as_version=4)
    assert not any(cell.get("outputs") for cell in notebook.cells)  # what is committed is the text alone
    where = {"metadata": {"path": str(tmp_path / "examples")}}
    nbclient.NotebookClient(notebook, timeout=250, kernel_name="python3", resources=where).execute()
    told = "\n".join(str(cell.outputs) for cell in notebook.cells if cell.cell_type == "code")
    assert "tracker Pan:" in told and "AJ: pan" in told
    assert told.count("image/png") >= 3  # two pictures and a plot
