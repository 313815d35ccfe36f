"""Finds the packages. All else is in pyproject.toml, which cannot find packages under another name."""

from setuptools import find_packages, setup

setup(
    packages=[
        *find_packages(include=["vgmae_bench", "vgmae_bench.*"]),
        "vgmae_baselines",
        *(f"vgmae_baselines.{name}" for name in find_packages("baselines")),
    ]
)
