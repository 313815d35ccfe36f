"""Common parts of all commands: `--debug`, options that may be given once, examples at the end of the help."""

from __future__ import annotations

import contextlib
import json
import logging
import os
import sys
from collections import Counter
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from typing import TYPE_CHECKING, Any, TextIO

import click

from vgmae_bench.cli.streams import ascii_only
from vgmae_bench.config import to_json
from vgmae_bench.errors import UsageError

if TYPE_CHECKING:
    from vgmae_bench.evaluation.records.results import MethodUsed

DEBUG = "VGMAE_BENCH_DEBUG"
"""The environment variable that `--debug` sets: tracebacks are shown."""


def _set_debug(ctx: click.Context, param: click.Parameter, value: bool) -> None:
    if value:
        os.environ[DEBUG] = "1"


DEBUG_OPTION = click.Option(
    ["--debug"],
    is_flag=True,
    expose_value=False,
    is_eager=True,
    callback=_set_debug,
    help="Show the traceback of an error.",
)
"""Every command takes `--debug`."""


class Command(click.Command):
    """A command that takes `--debug`, and refuses a second value for an option with one value."""

    def __init__(self, *args: Any, **kwargs: Any) -> None:
        super().__init__(*args, **kwargs)
        self.params.append(DEBUG_OPTION)

    def parse_args(self, ctx: click.Context, args: list[str]) -> list[str]:
        """Parse as click does, with more detailed errors for wrong options."""
        try:
            _, _, order = self.make_parser(ctx).parse_args(list(args))
        except click.NoSuchOption as error:
            self._explain(error)
            raise
        times = Counter(part.opts[0] for part in order if isinstance(part, click.Option) and _has_one_value(part))
        for option, count in times.items():
            if count > 1:
                what = f"{option} is given {'twice' if count == 2 else f'{count} times'}"
                raise UsageError(what, "it has one value", try_=f"vgmae-bench {self.name} --help")
        return super().parse_args(ctx, args)

    def _explain(self, error: click.NoSuchOption) -> None:
        """Explain what replaced an option that this command once had."""
        known = {option for part in self.params for option in part.opts}
        if error.option_name == "--out" and "--results" in known:
            raise UsageError(
                f"`{self.name}` writes nothing, so it has no --out",
                "--results names the folder that runs are read from",
                try_="the same command with --results in place of --out",
            )
        if error.option_name == "--config":
            single = "; single settings go to --set" * ("--set" in known)
            why = f"configurations are for `train` and `finetune`{single}"
            raise UsageError(f"`{self.name}` has no --config", why, try_=f"vgmae-bench {self.name} --help")

    def invoke(self, ctx: click.Context) -> Any:
        """Execute the command. Log messages of this project go to stderr."""
        with log_on_stderr():
            return super().invoke(ctx)


def command(*lines: str, name: str | None = None, group: click.Group | None = None) -> Callable[..., Command]:
    """`click.command` for this package. `lines` are examples, see `examples`. `group` is the group of the command."""
    declare: Callable[..., Callable[..., Command]] = group.command if group else click.command
    return declare(name, cls=Command, epilog=examples(*lines))


def examples(*lines: str) -> str:
    """An epilog of commands that can be pasted."""
    return "\b\nExamples:\n" + "\n".join(f"  {line}" for line in lines)


def say(text: str) -> None:
    """Print a message (anything but data) to stderr."""
    click.echo(text, err=True)


def say_method(used: MethodUsed, device: str) -> None:
    """Print the method, its weights and the device."""
    say(f"method    {used.name}, weights: {used.provided_by}, {device}")


def print_json(content: object, indent: int | None = 2) -> None:
    """Print one JSON value to stdout. Records and numbers of NumPy become plain JSON."""
    click.echo(json_text(content, indent))


def json_text(content: object, indent: int | None = 2) -> str:
    """The content as JSON that stdout can show."""
    return json.dumps(content, ensure_ascii=ascii_only(), indent=indent, default=to_json)


class _Lines(logging.Handler):
    """Writes messages to stderr as plain lines, above a progress bar if there is one."""

    def emit(self, record: logging.LogRecord) -> None:
        tqdm = getattr(sys.modules.get("tqdm"), "tqdm", None)  # loaded if there is a bar
        with tqdm.external_write_mode(file=sys.stderr) if tqdm else contextlib.nullcontext():
            say(record.getMessage())


@contextmanager
def log_on_stderr() -> Iterator[None]:
    """Within the block, log messages of this project at level INFO or above go to stderr."""
    handler = _Lines()
    loggers = [logging.getLogger(name) for name in ("vgmae_bench", "vgmae_baselines")]
    before = [logger.level for logger in loggers]
    for logger in loggers:
        logger.addHandler(handler)
        logger.setLevel(logging.INFO)
    try:
        yield
    finally:
        for logger, level in zip(loggers, before, strict=True):
            logger.removeHandler(handler)
            logger.setLevel(level)


@contextmanager
def data_alone_on_stdout() -> Iterator[TextIO]:
    """Within the block, output of plugins, and of programs that they start, goes to stderr. Yields the stream for data."""
    data = sys.stdout
    try:
        number = data.fileno()
    except (OSError, ValueError):  # a stream in memory, as tests have
        with contextlib.redirect_stdout(sys.stderr):
            yield data
        return
    data.flush()
    with (
        os.fdopen(os.dup(number), "w", encoding=data.encoding, errors=data.errors, buffering=1) as copy,
        contextlib.redirect_stdout(sys.stderr),
    ):
        os.dup2(sys.stderr.fileno(), number)
        try:
            yield copy
        finally:
            copy.flush()
            os.dup2(copy.fileno(), number)


def _has_one_value(option: click.Option) -> bool:
    return not (option.multiple or option.is_flag or option.count)
