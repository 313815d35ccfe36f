"""Options that several commands share, each defined once.

`--out` is where a command writes. `--results` is where it reads runs from. No option does both.
"""

from __future__ import annotations

import functools
from collections.abc import Callable
from pathlib import Path
from typing import Any

import click

from vgmae_bench.config import parse_assignments
from vgmae_bench.errors import UsageError

Decorator = Callable[[Callable[..., Any]], Callable[..., Any]]

RESULTS = Path("results")
FILE = click.Path(exists=True, dir_okay=False, path_type=Path)
"""An existing file to read."""
FOLDER = click.Path(file_okay=False, path_type=Path)
"""A folder, which may be new."""


class Several(click.ParamType[Any]):
    """Comma-separated values of another type."""

    def __init__(self, kind: click.ParamType[Any] | None = None) -> None:
        self.kind = kind or click.STRING
        self.name = self.kind.name

    def convert(self, value: Any, param: click.Parameter | None, ctx: click.Context | None) -> Any:
        """Convert text with commas to a tuple of values."""
        if not isinstance(value, str):
            return value
        return tuple(self.kind.convert(part.strip(), param, ctx) for part in value.split(",") if part.strip())


def several(kind: click.ParamType[Any] | None = None) -> dict[str, Any]:
    """What makes an option take several values, with commas or repeated. The command gets each value once."""

    def flat(context: click.Context, option: click.Parameter, values: tuple[tuple[Any, ...], ...] | None) -> Any:
        return tuple(dict.fromkeys(value for part in values or () for value in part))

    return {"multiple": True, "type": Several(kind), "callback": flat}


def method(help: str = "A method, or file.py:Class. See: vgmae-bench list methods", **more: Any) -> Decorator:
    """The option --method."""
    return click.option("--method", **{"required": True, "metavar": "M", "help": help, **more})


def weights(help: str = "Name of the method's weights, a safetensors file, or random.", **more: Any) -> Decorator:
    """The option --weights."""
    return click.option("--weights", **{"metavar": "NAME|FILE", "help": help, **more})


def settings(
    help: str = "A setting of the method; repeatable. See: vgmae-bench show M",
    name: str = "--set",
    to: str = "settings",
) -> Decorator:
    """--set, or another option for settings. The command gets a dictionary, by the name `to`."""

    def parsed(context: click.Context, option: click.Parameter, values: tuple[str, ...]) -> dict[str, Any]:
        return parse_assignments(values)

    return click.option(name, to, multiple=True, callback=parsed, metavar="NAME=VALUE", help=help)


def seed(help: str = "Seed, for methods with random numbers.", **more: Any) -> Decorator:
    """The option --seed."""
    return click.option("--seed", **{"default": 0, "help": help, **more})


def out(help: str, **more: Any) -> Decorator:
    """--out, a folder to write to."""
    return click.option("--out", type=FOLDER, help=help, **more)


def out_file(*suffixes: str) -> Decorator:
    """--out, a file to write. Its name must have one of these suffixes."""
    allowed = " or ".join(suffixes)

    def checked(context: click.Context, option: click.Parameter, out: Path) -> Path:
        if out.suffix not in suffixes:
            raise UsageError(f"The command cannot write {out}", f"The name must end in {allowed}")
        return out

    file = click.Path(dir_okay=False, path_type=Path)
    return click.option("--out", required=True, type=file, callback=checked, help=f"The file to write, {allowed}.")


def dataset(help: str = "A dataset. See: vgmae-bench list datasets", **more: Any) -> Decorator:
    """The option --dataset."""
    return click.option("--dataset", **{"required": True, "metavar": "D", "help": help, **more})


def query_mode(**more: Any) -> Decorator:
    """The option --query-mode."""
    modes = click.Choice(["first", "strided"])
    return click.option("--query-mode", **{"type": modes, "help": "Mode of TAP-Vid.  [default: first]", **more})


def protocol(**more: Any) -> Decorator:
    """The option --protocol."""
    help = "tapvid-first, tapvid-strided or videogmae-release. Replaces --query-mode."
    return click.option("--protocol", **{"metavar": "NAME", "help": help, **more})


def limit(help: str) -> Decorator:
    """--limit, at least 1."""
    return click.option("--limit", type=click.IntRange(min=1), metavar="N", help=help)


def _use_checkouts(ctx: click.Context, param: click.Parameter, values: tuple[str, ...]) -> None:
    from vgmae_bench import checkouts

    checkouts.use(values)


checkout = click.option(
    "--checkout",
    multiple=True,
    expose_value=False,
    callback=_use_checkouts,
    metavar="NAME=DIR",
    help="Folder of a repository that a method runs; repeatable.  [default: $VGMAE_BENCH_CHECKOUT_NAME]",
)
ask = click.option(
    "--ask",
    metavar="single|frame|all[:N]",
    help="Queries per call: one, those of a frame, or all; all:64 for at most 64.  [default: one if the queries of a call "
    "influence each other, else all]",
)
device = click.option("--device", default="auto", metavar="DEVICE", help="auto, cpu or cuda.")
data_root = click.option(
    "--data-root",
    type=FOLDER,
    envvar="VGMAE_BENCH_DATA",
    help="Folder of the datasets.  [default: $VGMAE_BENCH_DATA, else the user's data folder]",
)
results = click.option("--results", type=FOLDER, default=RESULTS, help="Folder to read runs from.")
write_results = out("Folder to write runs to.", default=RESULTS)
figures = click.option("--figures", type=click.IntRange(min=0), default=1, help="Draw the tracks of the first N clips.")
as_json = click.option("--json", "as_json", is_flag=True, help="Print one JSON object, for scripts.")
dataset_settings = settings(
    "A setting of the dataset; repeatable. See: vgmae-bench show D", "--dataset-set", "dataset_settings"
)
dataset_filter = click.option("--dataset", **several(), metavar="D,...", help="Only runs on these datasets.")
method_filter = click.option("--method", **several(), metavar="M,...", help="Only runs of these methods.")
metrics = click.option(
    "--metric", "metrics", **several(), metavar="NAME,...", help="Metrics to show.  [default: AJ, δ_avg and OA]"
)
protocol_filter = click.option("--protocol", **several(), metavar="NAME,...", help="Only runs under these protocols.")
allow_incomplete = click.option(
    "--allow-incomplete", "incomplete", is_flag=True, help="Include runs that lack clips. Tables mark them."
)


def runs(command: Callable[..., Any]) -> Callable[..., Any]:
    """RUN..., and the options that select runs. The command gets them in `chosen`: the arguments of `select_runs`."""

    @functools.wraps(command)
    def choosing(**given: Any) -> Any:
        names = ("names", "dataset", "method", "protocol", "incomplete", "results")
        return command(chosen={name: given.pop(name) for name in names}, **given)

    named = click.argument("names", nargs=-1, metavar="[RUN]...")
    for option in (results, allow_incomplete, protocol_filter, method_filter, dataset_filter, named):
        choosing = option(choosing)
    return choosing
