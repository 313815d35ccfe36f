"""`vgmae-bench explore`: shows an image model's outputs for one image, in one figure."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import click

from vgmae_bench.cli import options
from vgmae_bench.cli.framework import command, say, say_method
from vgmae_bench.errors import UsageError

OUTPUTS = ("explore.png", "explore.npz", "record.json")
_SHORTER_SIDE = 256


@command(
    "vgmae-bench explore cat.jpg --method gmae --weights trained/gmae/weights.safetensors --out explored",
    "vgmae-bench explore cat.jpg --method gmae --weights random --out untrained",
    "vgmae-bench explore cat.jpg --method gmae --weights gmae.safetensors --set order=far --set edge_eps=0.1 --out far",
)
@click.argument("image", type=options.FILE)
@options.method("A method for images, such as gmae, or file.py:Class.")
@options.weights()
@options.settings()
@options.device
@options.seed("Seed of random weights.")
@click.option(
    "--size",
    type=click.IntRange(min=16),
    default=_SHORTER_SIDE,
    help="The shorter side of the pictures in pixels. Smaller images keep their size.",
)
@options.out(f"Folder for {', '.join(OUTPUTS)}. Replaces older ones.", required=True)
def explore(
    image: Path,
    method: str,
    weights: str | None,
    settings: dict[str, Any],
    device: str,
    seed: int,
    size: int,
    out: Path,
) -> None:
    """Analyse IMAGE without any training: layers, depth, figure and ground, outlines, positions of the Gaussians.

    explore.png shows the results, explore.npz holds the arrays.
    """
    from vgmae_bench import provenance
    from vgmae_bench.data.video.images import read_image
    from vgmae_bench.evaluation.method import open_part, resolve_device
    from vgmae_bench.evaluation.records.others import ExploreRecord, ImageUsed
    from vgmae_bench.evaluation.records.results import Session, write
    from vgmae_bench.files import file_digest, make_folder, write_atomically, write_npz

    if image.resolve() in [(out / name).resolve() for name in OUTPUTS]:
        raise UsageError(f"{image} would be replaced by the results", "", try_="another folder with --out DIR")
    pixels = read_image(image, size)
    where = resolve_device(device)
    explorer, used = open_part(method, "explorer", weights=weights, settings=settings, device=where, seed=seed)
    say_method(used, where)
    say(f"image     {image.name}, looked at as {pixels.shape[1]}×{pixels.shape[0]}")
    found = explorer.explore(pixels)
    record = ExploreRecord(
        method=used,
        image=ImageUsed(image.name, file_digest(image), (pixels.shape[0], pixels.shape[1])),
        session=Session.now(where, provenance.command_line()),
    )
    make_folder(out)
    write_atomically(out / "explore.png", found.draw)
    write_npz(out / "explore.npz", **found.arrays)
    write(out / "record.json", record)
    for name in OUTPUTS:
        click.echo(out / name)
