"""What is installed is what is there: every package of the tree is listed, and nothing else."""

from __future__ import annotations

import tomllib
from pathlib import Path

ROOT = Path(__file__).parent.parent


def test_every_package_is_listed_in_pyproject() -> None:
    listed = set(tomllib.loads((ROOT / "pyproject.toml").read_text())["tool"]["setuptools"]["packages"])
    there = set()
    for folder, name in (("vgmae_bench", "vgmae_bench"), ("baselines", "vgmae_baselines")):
        for init in (ROOT / folder).rglob("__init__.py"):
            parts = init.parent.relative_to(ROOT / folder).parts
            there.add(".".join((name, *parts)))
    assert listed == there


def test_versions_agree() -> None:
    import vgmae_bench

    assert tomllib.loads((ROOT / "pyproject.toml").read_text())["project"]["version"] == vgmae_bench.__version__
    assert f"version: {vgmae_bench.__version__}" in (ROOT / "CITATION.cff").read_text()
