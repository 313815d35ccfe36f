"""Errors for users: one line says what is wrong and why; one line gives a command to try."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager


class UserError(Exception):
    """An error that the user can correct. The command line shows it without a traceback.

    Arguments:
        what: the problem, a sentence without its full stop.
        why: the reason or the detail, also without its full stop. It becomes a sentence of its own if it starts with a
            capital letter; otherwise it follows a colon. May be empty.
        try_: a command (or an action) that may help; may be empty.
    """

    exit_code = 1

    def __init__(self, what: str, why: str = "", *, try_: str = "") -> None:
        super().__init__(what, why, try_)
        self.what, self.why, self.try_ = what, why, try_

    @property
    def reason(self) -> str:
        """What and why in one line, without the last full stop."""
        text = self.what.rstrip(".")
        if self.why:
            text += (". " if self.why[0].isupper() else ": ") + self.why.rstrip(".")
        return text

    @property
    def sentence(self) -> str:
        """What and why, without the command to try."""
        return self.reason if self.reason.endswith("?") else f"{self.reason}."

    def __str__(self) -> str:
        return f"{self.sentence}\nTry: {self.try_}" if self.try_ else self.sentence


class UsageError(UserError):
    """The command line or a configuration value is wrong."""

    exit_code = 2


class UnknownNameError(UsageError):
    """No method, dataset, metric, protocol or run has that name."""


class PluginError(UserError):
    """A plugin could not be imported or built."""


class MissingDataError(UserError):
    """Files of a dataset are missing, and the benchmark could not download them."""


class BadDataError(UserError):
    """A data file is damaged: truncated, with wrong shapes, or with impossible values."""


class UntrustedFileError(UserError):
    """A pickle or checkpoint contains other objects than plain data. The benchmark executed nothing in it."""


class WeightsError(UserError):
    """A weights file does not fit the model, or is damaged."""


class StorageError(UserError):
    """Writing results failed."""


class IncompleteError(UserError):
    """The run finished, but some clips failed."""

    exit_code = 3


class FaultError(ValueError):
    """A fault of a clip, without the clip's name: `damage` adds it. `remedy` says what to try, or is empty."""

    def __init__(self, fault: str, remedy: str = "") -> None:
        super().__init__(fault)
        self.remedy = remedy


@contextmanager
def damage(what: str, dataset: str = "") -> Iterator[None]:
    """Convert any error about external data to an error of one line. A UserError passes unchanged.

    Arguments:
        what: the problem, for the message.
        dataset: a dataset's name. After the remedy of a FaultError, the command that checks the whole dataset is named.

    Raises:
        MissingDataError: a file does not exist.
        BadDataError: any other error.
    """
    try:
        yield
    except UserError:
        raise
    except FileNotFoundError as error:
        raise MissingDataError(what, "a file is not there") from error
    except Exception as error:  # a damaged file can cause any error
        plain = isinstance(error, ValueError | OSError) and str(error)  # other messages need the name of the error
        remedy = error.remedy if isinstance(error, FaultError) else ""
        if remedy and dataset:
            remedy += f", then: vgmae-bench data verify {dataset}, which names every such clip"
        raise BadDataError(what, str(error) if plain else f"{type(error).__name__}: {error}", try_=remedy) from error
