"""Options that several commands share."""

from __future__ import annotations

from pathlib import Path

import click

data_root = click.option(
    "--data-root",
    type=click.Path(file_okay=False, path_type=Path),
    envvar="VGMAE_BENCH_DATA",
    help="Folder of the datasets.  [default: $VGMAE_BENCH_DATA, else the user's data folder]",
)
results = click.option(
    "--out",
    type=click.Path(file_okay=False, path_type=Path),
    default=Path("results"),
    show_default=True,
    help="Results folder.",
)
find_in = click.option(
    "--results",
    type=click.Path(file_okay=False, path_type=Path),
    default=Path("results"),
    show_default=True,
    help="Results folder, to find runs in.",
)
as_json = click.option("--json", "as_json", is_flag=True, help="Print one JSON object, for scripts.")
dataset_settings = click.option(
    "--dataset-set",
    "dataset_settings",
    multiple=True,
    metavar="KEY=VALUE",
    help="A setting of the dataset; repeatable.",
)
dataset_filter = click.option("--dataset", help="Only runs on this dataset.")
method_filter = click.option("--method", multiple=True, help="Only runs of this method; repeatable.")
protocol_filter = click.option("--protocol", help="Only runs under this protocol.")
allow_incomplete = click.option(
    "--allow-incomplete", is_flag=True, help="Take runs that lack clips all the same, and mark them."
)
