"""Imports follow the layers, without cycles. Folders that measure methods import none of them."""

from __future__ import annotations

import functools

import grimp

BASELINES = "vgmae_baselines"
LAYERS = (
    ("__main__",),
    ("cli",),
    ("api",),
    ("compare", "conformance", "downstream", "gmae", BASELINES),
    ("videogmae",),
    ("models",),
    ("training",),
    ("evaluation",),
    ("viz",),
    ("data",),
    ("checkouts", "metrics", "splatting"),
    ("provenance", "types"),
    ("ahead", "config", "devices", "files", "progress", "resizing"),
    ("settings",),
    ("plugins",),
    ("specs",),
    ("errors",),
)
"""From top to bottom. Modules in one layer do not import each other."""
LAYER = {room: layer for layer, rooms in enumerate(LAYERS) for room in rooms}

METHODS = {"gmae", "videogmae", BASELINES}
NEUTRAL = {"compare", "conformance", "data", "downstream", "evaluation", "metrics", "models", "training", "viz"}

Import = tuple[str, str]
"""(importing module, imported module)."""


@functools.cache
def graph() -> grimp.ImportGraph:
    return grimp.build_graph("vgmae_bench", BASELINES, cache_dir=None)


def room(module: str) -> str:
    """The top-level folder or file of `vgmae_bench` that contains a module; empty for `vgmae_bench` itself."""
    package, _, rest = module.partition(".")
    return BASELINES if package == BASELINES else rest.partition(".")[0]


def between_rooms() -> list[Import]:
    links = [(a, b) for a in graph().modules for b in graph().find_modules_directly_imported_by(a)]
    return [(a, b) for a, b in links if room(a) and room(b) and room(a) != room(b)]


def told(links: list[Import]) -> list[str]:
    """Each import with its line number."""
    details = [(a, b, graph().get_import_details(importer=a, imported=b)) for a, b in sorted(links)]
    return [f"{a} imports {b} (line {lines[0]['line_number']})" for a, b, lines in details]


def test_every_folder_has_a_layer() -> None:
    assert {room(module) for module in graph().modules if room(module)} == set(LAYER)


def test_imports_point_down() -> None:
    upward = [(a, b) for a, b in between_rooms() if LAYER[room(a)] >= LAYER[room(b)]]
    assert not upward, told(upward)


def test_imports_have_no_cycles() -> None:
    """Checks cycles between the parts of `vgmae_bench` and between the parts of each folder."""
    packages = [module for module in graph().modules if graph().find_children(module)]
    breakers = [link for package in packages for link in graph().nominate_cycle_breakers(package)]
    assert not breakers, told(breakers)


def test_measuring_folders_import_no_method() -> None:
    known = [(a, b) for a, b in between_rooms() if room(a) in NEUTRAL and room(b) in METHODS]
    assert not known, told(known)


def test_features_know_no_training() -> None:
    features = {module for module in graph().modules if module.startswith("vgmae_bench.models.features")}
    upward = [(a, b) for a, b in between_rooms() if a in features and room(b) in ("training", *METHODS)]
    assert features and not upward, told(upward)
