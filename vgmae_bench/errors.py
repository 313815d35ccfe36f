"""Errors for users: one line with what and why, and one line with a command to try."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager


class UserError(Exception):
    """A mistake or a missing thing that the user can act on; shown without a traceback.

    Arguments:
        what: what went wrong, a sentence without its full stop.
        why: the reason or the detail, likewise; may be empty.
        try_: a command (or an action) that is worth trying; may be empty.
    """

    exit_code = 1

    def __init__(self, what: str, why: str = "", *, try_: str = "") -> None:
        super().__init__(what, why, try_)
        self.what, self.why, self.try_ = what, why, try_

    def __str__(self) -> str:
        text = ". ".join(part.rstrip(".") for part in (self.what, self.why) if part) + "."
        return f"{text}\nTry: {self.try_}" if self.try_ else text


class UsageError(UserError):
    """The command line or a configuration value is wrong."""

    exit_code = 2


class UnknownNameError(UsageError):
    """No method, dataset, metric, protocol or run has that name."""


class PluginError(UserError):
    """A plugin could not be imported or built."""


class MissingDataError(UserError):
    """Files of a dataset are missing and could not be fetched."""


class BadDataError(UserError):
    """A data file is damaged: truncated, with wrong shapes, or with impossible values."""


class UntrustedFileError(UserError):
    """A pickle or checkpoint holds something other than plain data; nothing in it was executed."""


class WeightsError(UserError):
    """A weights file does not fit the model, or is damaged."""


class StorageError(UserError):
    """Results could not be written."""


class IncompleteError(UserError):
    """The run finished, but some clips failed."""

    exit_code = 3


@contextmanager
def damage(what: str) -> Iterator[None]:
    """Turn a library's error about external data into an error of one line.

    Raises:
        MissingDataError: `what`, a file is not there.
        BadDataError: `what`, any other error but those for users, which pass.
    """
    try:
        yield
    except UserError:
        raise
    except FileNotFoundError as error:
        raise MissingDataError(what, "a file is not there") from error
    except Exception as error:  # damaged files fail in every way there is
        plain = isinstance(error, ValueError | OSError) and str(error)  # others say little without their name
        raise BadDataError(what, str(error) if plain else f"{type(error).__name__}: {error}") from error
