"""`vgmae-bench explore` and `spatial`: an image model's outputs for one image, and measures of it beside baselines."""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING, Any

import click

from vgmae_bench.cli import options
from vgmae_bench.cli.framework import command, say, say_method
from vgmae_bench.errors import UsageError

if TYPE_CHECKING:
    from vgmae_bench.evaluation.records.others import Estimate
    from vgmae_bench.evaluation.records.results import MethodUsed

OUTPUTS = ("explore.png", "explore.npz", "record.json")


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
    default=256,
    help="The shorter side of the pictures in pixels. Smaller images keep their size.",
)
@options.out(f"Folder for {', '.join(OUTPUTS)}. Replaces older ones.", required=True)
def explore(image: Path, size: int, out: Path, **asked: Any) -> None:
    """Analyse IMAGE without any training: layers, depth, figure and ground, outlines, positions of the Gaussians.

    explore.png shows the results, explore.npz holds the arrays.
    """
    from vgmae_bench import provenance
    from vgmae_bench.data.video.images import read_image
    from vgmae_bench.evaluation.records.others import ExploreRecord, ImageUsed
    from vgmae_bench.evaluation.records.results import Session
    from vgmae_bench.files import file_digest, make_folder, write_atomically, write_npz

    if image.resolve() in [(out / name).resolve() for name in OUTPUTS]:
        raise UsageError(f"{image} would be replaced by the results", "", try_="another folder with --out DIR")
    pixels = read_image(image, size)
    explorer, used, device = _open(**asked)
    say(f"image     {image.name}, looked at as {pixels.shape[1]}×{pixels.shape[0]}")
    found = explorer.explore(pixels)
    record = ExploreRecord(
        method=used,
        image=ImageUsed(image.name, file_digest(image), (pixels.shape[0], pixels.shape[1])),
        session=Session.now(device, provenance.command_line()),
    )
    make_folder(out)
    write_atomically(out / "explore.png", found.draw)
    write_npz(out / "explore.npz", **found.arrays)
    record.write(out / "record.json")
    for name in OUTPUTS:
        click.echo(out / name)


@command(
    "vgmae-bench spatial --method gmae --weights trained/gmae/weights.safetensors --data synth --out measured",
    "vgmae-bench spatial --method gmae --weights gmae.safetensors --data ./DAVIS --limit 100 --out davis",
    "vgmae-bench spatial --method gmae --weights random --data ./BSDS500 --set edge_layers=[16,8] --out bsds",
)
@options.method("A method for images, such as gmae, or file.py:Class.")
@options.weights()
@options.settings()
@click.option(
    "--data",
    required=True,
    metavar="synth|DIR",
    help="synth, or a folder: images and masks, DAVIS (JPEGImages, Annotations), or BSDS500 (images, groundTruth).",
)
@options.limit("The number of images, spread evenly over all.")
@click.option(
    "--mask-ratio",
    type=click.FloatRange(0, 1, max_open=True),
    default=0.75,
    help="Share of patches to hide and reconstruct.",
)
@options.device
@options.seed("Seed of the masks and of random weights.")
@options.as_json
@options.out("Folder for metrics.csv, summary.json and record.json. Replaces older ones.", required=True)
def spatial(data: str, limit: int | None, mask_ratio: float, as_json: bool, out: Path, **asked: Any) -> None:
    """Measure what an image model has learned without labels: figure and ground, outlines, and reconstruction.

    Figure and ground are scored by intersection over union. Outlines are scored by the F-measures of BSDS: ODS uses one
    threshold for all images, OIS the best one per image. Hidden patches are scored by PSNR and SSIM. The table also
    shows the model with random weights, and baselines without learning. Nothing is tuned on the measured images.
    """
    from vgmae_bench import provenance
    from vgmae_bench.downstream.space.labelled import open_labelled
    from vgmae_bench.downstream.space.measure import measure, write
    from vgmae_bench.evaluation.records.others import ImagesUsed, SpatialRecord
    from vgmae_bench.evaluation.records.results import Session
    from vgmae_bench.progress.bar import counted

    labelled = open_labelled(data).first(limit)
    explorer, used, device = _open(**asked)
    models = {f"{used.name} ({used.weights.name if used.weights else used.note})": explorer}
    if used.weights:
        models[f"{used.name} (random weights)"] = explorer.untrained(asked["seed"])
    say(f"data      {labelled.kind}, {len(labelled.images)} images")
    images = counted(labelled.images, "measuring", "images")
    measured = measure(models, images, mask_ratio=mask_ratio, seed=asked["seed"])
    record = SpatialRecord(
        method=used,
        data=ImagesUsed(labelled.kind, labelled.identity, len(labelled.images)),
        mask_ratio=mask_ratio,
        session=Session.now(device, provenance.command_line()),
    )
    summary = measured.summary()
    write(out, measured, summary, record)
    if as_json:
        click.echo(summary.text().rstrip("\n"))
        return
    _print(f"{labelled.kind}, {len(labelled.images)} images; hidden: {mask_ratio:.0%} of the patches", summary.methods)
    say(f"Written to {out}")


def _open(method: str, device: str, **asked: Any) -> tuple[Any, MethodUsed, str]:
    """The model of the options, its entry for records, and its device. Prints them."""
    from vgmae_bench.evaluation.method import open_part, resolve_device

    where = resolve_device(device)
    explorer, used = open_part(method, "explorer", device=where, **asked)
    say_method(used, where)
    return explorer, used, where


def _print(title: str, summary: dict[str, dict[str, Estimate]]) -> None:
    from rich.console import Console
    from rich.table import Table

    from vgmae_bench.downstream.space.measure import F_MEASURES, MEANS

    table = Table(title=title, title_justify="left")
    table.add_column("method")
    measures = {
        name: label for name, label in (MEANS | F_MEASURES).items() if any(name in row for row in summary.values())
    }
    for label in measures.values():
        table.add_column(f"{label} [95 %]", justify="right")
    for method, found in summary.items():
        table.add_row(method, *(_cell(name, found.get(name)) for name in measures))
    console = Console()
    Console(width=None if console.is_terminal else 200).print(table)


def _cell(name: str, estimate: Estimate | None) -> str:
    if estimate is None:
        return "–"
    factor, digits = (1, 2) if name == "psnr" else (1, 3) if name == "ssim" else (100, 1)
    low, high = estimate.ci95
    interval = "" if low is None or high is None else f" [{factor * low:.{digits}f}, {factor * high:.{digits}f}]"
    return f"{factor * estimate.value:.{digits}f}{interval}"
