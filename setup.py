"""The list of packages, found; everything else is in pyproject.toml, which cannot find packages that are renamed."""

from setuptools import find_packages, setup

setup(
    packages=[
        *find_packages(include=["vgmae_bench", "vgmae_bench.*"]),
        "vgmae_baselines",
        *(f"vgmae_baselines.{name}" for name in find_packages("baselines")),
    ]
)
