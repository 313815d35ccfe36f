"""The command line. A command's module is imported on use, so `--help` loads neither torch nor pandas."""

from __future__ import annotations

import importlib
import os
import sys
import traceback
from typing import NoReturn

import click

from vgmae_bench import __version__
from vgmae_bench.cli import streams
from vgmae_bench.cli.framework import DEBUG, DEBUG_OPTION, examples
from vgmae_bench.errors import UserError

COMMANDS = {
    "run": ("evaluation.run", "Track a dataset with a method and score the tracks."),
    "track": ("evaluation.track", "Follow points through a video of your own."),
    "train": ("training", "Train a method, or continue a training."),
    "finetune": ("training", "Teach a pretrained encoder to track."),
    "probe": ("downstream.probe", "Classify actions with an encoder's features: linear probing or fine-tuning."),
    "table": ("compare.table", "Compare runs in one table, with confidence intervals."),
    "compare": ("compare.compare", "Compare two runs clip by clip, with a paired test."),
    "claims": ("compare.compare", "Check the headline claims of Video-GMAE against the published tables."),
    "new": ("new", "Create a package for your own tracker, dataset or metric."),
    "check": ("evaluation.check", "Check a tracker, a dataset or a metric of your own."),
    "score": ("evaluation.score", "Score tracks that another program wrote."),
    "export": ("evaluation.score", "Write the predictions of a run to one file."),
    "reproduce": ("evaluation.reproduce", "Execute a run again and report differences."),
    "plot": ("compare.plot", "Plot a figure of runs or trainings, with its data."),
    "report": ("compare.plot", "Write a comparison as one HTML file, with players of single clips."),
    "explore": ("downstream.images", "Analyse one image: layers, depth, figure and ground, outlines."),
    "spatial": ("downstream.images", "Measure an image model's figure-ground, outlines and reconstruction."),
    "list": ("show", "List methods, datasets, metrics or runs."),
    "show": ("show", "Show a method, dataset, metric or run."),
    "cite": ("cite", "Print BibTeX of methods and datasets."),
    "data": ("data", "Get, prepare, check and show the datasets."),
    "import-weights": ("training", "Turn an official checkpoint into safetensors, executing nothing in it."),
    "doctor": ("doctor", "Check this installation and report what is missing."),
}
"""Modules and lines of help by command, in the order of the help."""


class LazyGroup(click.Group):
    """A group that knows its commands by name and one line of help. It imports a command on use."""

    def list_commands(self, ctx: click.Context) -> list[str]:
        """The names of all commands, in the order of the help."""
        return list(COMMANDS)

    def get_command(self, ctx: click.Context, cmd_name: str) -> click.Command | None:
        """The command of that name, imported now; None if there is none."""
        if cmd_name not in COMMANDS:
            return None
        module = importlib.import_module(f"vgmae_bench.cli.{COMMANDS[cmd_name][0]}")
        return next(v for v in vars(module).values() if isinstance(v, click.Command) and v.name == cmd_name)

    def resolve_command(
        self, ctx: click.Context, args: list[str]
    ) -> tuple[str | None, click.Command | None, list[str]]:
        """Find the command that was typed, or fail and suggest one."""
        from vgmae_bench.plugins import did_you_mean

        if args and args[0] not in COMMANDS and not args[0].startswith("-"):
            ctx.fail(f'There is no command "{args[0]}". {did_you_mean(args[0], COMMANDS)}'.strip())
        return super().resolve_command(ctx, args)

    def format_commands(self, ctx: click.Context, formatter: click.HelpFormatter) -> None:
        """List the commands without importing them."""
        with formatter.section("Commands"):
            formatter.write_dl([(name, summary) for name, (_, summary) in COMMANDS.items()])


@click.group(
    cls=LazyGroup,
    context_settings={"help_option_names": ["-h", "--help"], "max_content_width": 110, "show_default": True},
    epilog=examples(
        "vgmae-bench run --method lucas-kanade --dataset synth --limit 4",
        "vgmae-bench list methods",
        "vgmae-bench run --method videogmae --dataset davis --query-mode strided",
    ),
)
@click.version_option(__version__, prog_name="vgmae-bench")
def cli() -> None:
    """Measure how well self-supervised video models track points."""


cli.params.append(DEBUG_OPTION)


def main() -> None:
    """Entry point. A user error prints one line and exits with its code, an interrupt with 130. A bug shows a traceback."""
    # Waiting threads must not spin. If processes share the cores (shards, a busy machine), spinning threads were measured
    # to take forty times as long. This must be set before torch is imported. The user's own value is kept.
    os.environ.setdefault("OMP_WAIT_POLICY", "passive")
    streams.prepare()
    try:
        cli(auto_envvar_prefix="VGMAE_BENCH", standalone_mode=False)
        sys.stdout.flush()
    except (click.exceptions.Abort, KeyboardInterrupt):
        said = "Interrupted: finished work is kept. Try: the same command again, which continues from there."
        print(said, file=sys.stderr)
        sys.exit(130)
    except click.exceptions.Exit as exit_:
        if streams.output_failed():
            _fail(UserError("Cannot write the output", "standard output is full or closed"))
        sys.exit(exit_.exit_code)
    except click.ClickException as error:
        where = error.ctx.command_path if isinstance(error, click.UsageError) and error.ctx else "vgmae-bench"
        _print(UserError(error.format_message(), try_=f"{where} --help"))
        sys.exit(error.exit_code)
    except UserError as error:
        _fail(error)
    except (OSError, MemoryError) as error:
        _fail(_of_the_system(error))


def _fail(error: UserError) -> NoReturn:
    """Print the error in one line, and exit with its code."""
    if os.environ.get(DEBUG):
        traceback.print_exc()
    _print(error)
    sys.exit(error.exit_code)


def _print(error: UserError) -> None:
    """Print what and why on one line of stderr, and the command to try on another."""
    lines = [f"Error: {streams.one_line(error.sentence)}"] + [f"Try: {streams.one_line(error.try_)}"] * bool(error.try_)
    print("\n".join(lines), file=sys.stderr)


def _of_the_system(error: OSError | MemoryError) -> UserError:
    """The user error for an operating system error that no command expected. It concerns files and is not a bug."""
    if isinstance(error, MemoryError):
        return UserError("There is not enough memory", str(error), try_="fewer or smaller clips, or another machine")
    reason = error.strerror or str(error) or type(error).__name__
    if streams.output_failed():
        if isinstance(error, BrokenPipeError):  # the reader closed the pipe
            sys.exit(1)
        return UserError("Cannot write the output", reason)
    what = "The operating system refused" if error.filename is None else f"Cannot use {os.fsdecode(error.filename)}"
    return UserError(what, reason, try_="the same command with --debug, which shows where")
