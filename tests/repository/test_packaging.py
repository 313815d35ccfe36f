"""The built package contains every file of the source tree and nothing else."""

from __future__ import annotations

import re
import subprocess
import sys
from pathlib import Path

from vgmae_bench import plugins

ROOT = Path(__file__).parents[2]


def test_a_build_holds_every_file_of_both_packages(tmp_path: Path) -> None:
    command = ["egg_info", "--egg-base", str(tmp_path), "build", "--build-base", str(tmp_path / "build")]
    subprocess.run([sys.executable, "setup.py", "-q", *command], cwd=ROOT, check=True, capture_output=True)
    built = tmp_path / "build" / "lib"
    expected = set()
    for folder, name in (("vgmae_bench", "vgmae_bench"), ("baselines", "vgmae_baselines")):
        expected |= {Path(name) / path.relative_to(ROOT / folder) for path in _files(ROOT / folder)}
    assert {path.relative_to(built) for path in _files(built)} == expected


def _files(folder: Path) -> list[Path]:
    return [path for path in folder.rglob("*") if path.is_file() and "__pycache__" not in path.parts]


def test_the_citation_file_names_the_methods_and_weights_that_ship() -> None:
    text = (ROOT / "CITATION.cff").read_text(encoding="utf-8")
    own = [plugin for plugin in plugins.installed("methods") if not plugin.module.endswith(".peers")]
    for plugin in own:
        if plugin.distribution == "vgmae-bench" and plugin.spec.citation:
            title = re.search(r"title=\{(.*?)\},", plugin.spec.citation)
            assert title and title[1] in text, plugin.name
    assert all(name in text for name in ("masked-32px", "tiny-readout", "synth", "warp"))


def test_the_version_comes_from_one_place() -> None:
    import vgmae_bench

    built = subprocess.run(
        [sys.executable, "setup.py", "--version"], cwd=ROOT, check=True, capture_output=True, text=True
    )
    assert built.stdout.split()[-1] == vgmae_bench.__version__
    assert f"version: {vgmae_bench.__version__}" in (ROOT / "CITATION.cff").read_text()
