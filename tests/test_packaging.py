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


def test_what_packages_need_besides_code_is_installed_with_them() -> None:
    setuptools = tomllib.loads((ROOT / "pyproject.toml").read_text())["tool"]["setuptools"]
    patterns = setuptools["package-data"]["*"]
    for package in setuptools["packages"]:
        folder = ROOT / "/".join(package.split(".")).replace("vgmae_baselines", "baselines")
        installed = {path for pattern in patterns for path in folder.glob(pattern)}
        ours = (path for path in folder.rglob("*") if _nearest_package(path.parent) == folder)
        files = {path for path in ours if path.is_file() and path.suffix != ".py" and "__pycache__" not in path.parts}
        assert files <= installed, files - installed


def _nearest_package(folder: Path) -> Path:
    while not (folder / "__init__.py").exists():
        folder = folder.parent
    return folder


def test_versions_agree() -> None:
    import vgmae_bench

    assert tomllib.loads((ROOT / "pyproject.toml").read_text())["project"]["version"] == vgmae_bench.__version__
    assert f"version: {vgmae_bench.__version__}" in (ROOT / "CITATION.cff").read_text()
