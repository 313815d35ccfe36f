"""`vgmae-bench data`: fetches, prepares, checks and shows datasets."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import click

from vgmae_bench import plugins
from vgmae_bench.cli import options
from vgmae_bench.cli.framework import command, examples, print_json
from vgmae_bench.data.files import root as roots
from vgmae_bench.errors import BadDataError, UsageError


@click.group(
    epilog=examples(
        "vgmae-bench data list",
        "vgmae-bench data fetch davis",
        "vgmae-bench data prepare kinetics --from ~/kinetics700/val",
        "vgmae-bench data verify davis",
        "vgmae-bench data show synth",
    ),
)
def data() -> None:
    """Fetch, prepare, check and show datasets."""


@command("vgmae-bench data list", "vgmae-bench data list --json", name="list", group=data)
@options.data_root
@options.as_json
def list_(data_root: Path | None, as_json: bool) -> None:
    """List the datasets, and whether their files are present."""
    from vgmae_bench.data.verify import paths

    root = roots.data_root(data_root)
    entries: list[dict[str, Any]] = []
    for plugin in plugins.installed("datasets"):
        spec = plugin.spec
        files = paths(plugin.name, data_root) if spec else []
        if spec is None:
            state = f"broken: {plugin.error}"
        elif roots.prepared_path(root, plugin.name) in files:
            state = "prepared"
        else:
            state = "embedded" if spec.embedded else "there" if files else "missing" if spec.location else "yours"
        about = {"name": plugin.name, "state": state, "summary": spec.summary if spec else ""}
        entries.append({**about, "files": [str(path) for path in files]})
    if as_json:
        print_json({"root": str(root), "datasets": entries})
        return
    click.echo(f"Data root: {root}")
    width = max((len(entry["name"]) for entry in entries), default=0)
    for entry in entries:
        click.echo(f"{entry['name']:<{width}}  {entry['state']:<9} {entry['summary']}")


_by_hand = click.option(
    "--from",
    "source",
    type=click.Path(exists=True, path_type=Path),
    metavar="PATH",
    help="Your own copy: the published archive, its files, or a folder of them.",
)


@command(
    "vgmae-bench data fetch davis",
    "vgmae-bench data fetch davis --from ~/Downloads/tapvid_davis.zip",
    group=data,
)
@click.argument("dataset")
@options.data_root
@_by_hand
def fetch(dataset: str, data_root: Path | None, source: Path | None) -> None:
    """Download a dataset, or take it from --from, and put its files in their place.

    If a download is interrupted, the same command resumes it. For datasets whose videos cannot be downloaded, this gets
    the annotations only. `vgmae-bench data prepare` then combines them with your videos.
    """
    from vgmae_bench.data.files.fetch import fetch as get

    spec = plugins.find("datasets", dataset).spec
    if spec.embedded:
        raise UsageError(f"{dataset} needs no files", "its clips come with vgmae-bench or are made by it")
    for file in get(spec, roots.data_root(data_root), source):
        click.echo(file)


@command(
    "vgmae-bench data prepare davis",
    "vgmae-bench data prepare rgb-stacking --jpeg 95",
    "vgmae-bench data prepare kinetics --from ~/kinetics700/val",
    "vgmae-bench data prepare kubric --from ~/tensorflow_datasets/movi_e/256x256/1.0.0",
    group=data,
)
@click.argument("dataset")
@options.dataset_settings
@options.data_root
@_by_hand
@click.option(
    "--jpeg",
    type=click.IntRange(1, 100),
    metavar="QUALITY",
    help="Store pixel frames as JPEGs of this quality. Smaller, but scores change.",
)
@click.option(
    "--small", is_flag=True, help="Store pixel frames as PNGs. Half the size and the same scores, but slower to read."
)
def prepare(
    dataset: str,
    dataset_settings: dict[str, Any],
    data_root: Path | None,
    source: Path | None,
    jpeg: int | None,
    small: bool,
) -> None:
    """Convert a dataset to one file that opens at once and needs memory for one clip only.

    Frames keep their values, so scores stay the same; JPEGs and pixels are copied. `run` and other commands use the
    prepared file if it exists. For kinetics, --from is the folder of the Kinetics-700 validation videos. For kubric, it
    is a folder of TFDS files, raw renders or CoTracker's export.
    """
    from vgmae_bench.data.prepare import prepare as make

    if small and jpeg is not None:
        raise UsageError("--small and --jpeg exclude each other", "one is lossless, the other is not")
    click.echo(make(dataset, data_root, source, jpeg, dataset_settings, small=small))


@command(
    "vgmae-bench data show synth",
    "vgmae-bench data show davis bear --out pictures",
    "vgmae-bench data show folder --dataset-set path=my_videos",
    group=data,
)
@click.argument("dataset")
@click.argument("clip", required=False)
@options.dataset_settings
@options.data_root
@options.out("Folder for the pictures.  [default: shown/DATASET]")
def show(
    dataset: str, clip: str | None, dataset_settings: dict[str, Any], data_root: Path | None, out: Path | None
) -> None:
    """Show a clip with its tracks as a contact sheet (png) and a video (mp4). Without CLIP, the first clip."""
    from vgmae_bench.data.open import open_dataset
    from vgmae_bench.viz.clip import show_clip

    opened = open_dataset(dataset, dataset_settings, data_root)
    for file in show_clip(opened.clip(clip or opened.ids[0]), out or Path("shown", opened.name)):
        click.echo(file)


@command(
    "vgmae-bench data verify davis",
    "vgmae-bench data verify folder --dataset-set path=my_videos",
    group=data,
)
@click.argument("dataset")
@options.dataset_settings
@options.data_root
def verify(dataset: str, dataset_settings: dict[str, Any], data_root: Path | None) -> None:
    """Hash every file, open every clip, decode every frame. Nothing is downloaded."""
    from vgmae_bench.data.verify import verify as check

    findings = check(dataset, data_root, dataset_settings)
    for finding in findings:
        click.echo(f"{finding.severity}: {finding.where}: {finding.fault}")
    errors = sum(finding.severity == "error" for finding in findings)
    if errors:
        raise BadDataError(f"{dataset} has {errors} faults", "listed above")
    click.echo(f"{dataset} is in order.")


@command("vgmae-bench data path davis", "vgmae-bench data path kinetics --data-root ~/tapvid", group=data)
@click.argument("dataset")
@options.data_root
def path(dataset: str, data_root: Path | None) -> None:
    """Print the files of a dataset, or the place where they belong."""
    from vgmae_bench.data.verify import paths

    spec = plugins.find("datasets", dataset).spec
    if spec.embedded:
        click.echo(f"{dataset} needs no files.", err=True)
        return
    found = paths(dataset, data_root)
    for file in found:
        click.echo(file)
    if not found:
        click.echo(f"{dataset} is not here yet; it belongs at:", err=True)
        click.echo(roots.data_root(data_root) / spec.location)
