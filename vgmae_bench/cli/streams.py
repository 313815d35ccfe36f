"""The standard streams. They replace characters that they cannot encode. A failed write to stderr is ignored."""

from __future__ import annotations

import codecs
import io
import os
import sys
import unicodedata
from contextlib import suppress

_PLAIN = "vgmae_bench.plain"  # the name of the error handler for characters that a stream cannot show
_ASCII = "ascii_spelled"
"""ASCII under another name. If a stream's encoding is called "ascii", Click bypasses our streams and writes UTF-8."""
_SPELLED = {
    "×": "x", "δ": "d", "Δ": "D", "…": "...", "–": "-", "—": "-", "−": "-", "·": ".", "→": "->", "←": "<-", "±": "+-",
    "≤": "<=", "≥": ">=", "≈": "~", "√": "sqrt", "°": " deg", "•": "*", "µ": "u", "μ": "u", "²": "2", "“": '"', "”": '"',
    "‘": "'", "’": "'", "✓": "+", "✗": "x", "↑": "^", "↓": "v", "─": "-", "━": "-", "│": "|", "┃": "|", "█": "#",
}  # fmt: skip


def prepare() -> None:
    """Prepare the streams of this process for any text and any failure.

    Characters that a stream cannot encode are replaced: box lines by "-" and "|", "δ" by "d", all others by an escape
    such as "\\u65e5". If stderr is closed or full, text for it is dropped. A closed stdout is treated like a closed
    pipe.
    """
    codecs.register_error(_PLAIN, _spelled)
    codecs.register(_codec)
    for name, kind in (("stdout", _Output), ("stderr", _Talk)):
        stream = getattr(sys, name)
        if stream is None:
            setattr(sys, name, open(os.devnull, "w", encoding="utf-8"))  # noqa: SIM115  # open as long as the process
        elif stream is getattr(sys, f"__{name}__") and isinstance(stream, io.TextIOWrapper):
            setattr(sys, name, _again(stream, kind))


def ascii_only() -> bool:
    """Whether JSON on stdout should be in ASCII, because the stream cannot show every character."""
    encoding = getattr(sys.stdout, "encoding", None) or "utf-8"
    return codecs.lookup(encoding).name != "utf-8"


def output_failed() -> bool:
    """Whether writing to stdout failed. If so, further output is dropped, so that the process can end."""
    with suppress(OSError, ValueError):
        sys.stdout.flush()
    if not (isinstance(sys.stdout, _Output) and sys.stdout.failed):
        return False
    with suppress(OSError, ValueError):
        os.dup2(os.open(os.devnull, os.O_WRONLY), sys.stdout.fileno())
    return True


def one_line(text: str) -> str:
    """The text without line breaks and control characters, which file names can contain."""
    return "".join(_visible(character) for character in " ".join(text.splitlines()))


class _Output(io.TextIOWrapper):
    """A stream that remembers whether a write failed."""

    failed = False

    def write(self, text: str, /) -> int:
        """Like any text stream."""
        try:
            return super().write(text)
        except OSError:
            self.failed = True
            raise

    def flush(self) -> None:
        """Like any text stream."""
        try:
            super().flush()
        except OSError:
            self.failed = True
            raise


class _Talk(io.TextIOWrapper):
    """A stream that ignores failed writes."""

    def write(self, text: str, /) -> int:
        """Like any text stream, without OSError."""
        with suppress(OSError):
            return super().write(text)
        return len(text)

    def flush(self) -> None:
        """Like any text stream, without OSError."""
        with suppress(OSError):
            super().flush()


def _again(stream: io.TextIOWrapper, kind: type[io.TextIOWrapper]) -> io.TextIOWrapper:
    """The same stream as an instance of `kind`. It replaces characters that it cannot encode."""
    encoding, lines = stream.encoding, stream.line_buffering
    if codecs.lookup(encoding).name == "ascii":
        encoding = _ASCII
    return kind(stream.detach(), encoding=encoding, errors=_PLAIN, line_buffering=lines)


def _codec(name: str) -> codecs.CodecInfo | None:
    """The codec `_ASCII`, for Python's registry; None for all other names."""
    if name != _ASCII:
        return None
    plain = codecs.lookup("ascii")
    return codecs.CodecInfo(*plain, plain.incrementalencoder, plain.incrementaldecoder, name=_ASCII)


def _spelled(error: UnicodeError) -> tuple[str, int]:
    if not isinstance(error, UnicodeEncodeError):
        raise error
    text = "".join(_ascii(character) for character in error.object[error.start : error.end])
    return text, error.end


def _ascii(character: str) -> str:
    if character in _SPELLED:
        return _SPELLED[character]
    if unicodedata.name(character, "").startswith("BOX DRAWINGS"):
        return "+"
    units = character.encode("utf-16-be", "surrogatepass")  # two units beyond U+FFFF, as in JSON
    return "".join(f"\\u{units[place] << 8 | units[place + 1]:04x}" for place in range(0, len(units), 2))


def _visible(character: str) -> str:
    """The character, or its escape if it would move the cursor, ring the bell, or change the text's direction."""
    hidden = unicodedata.category(character) in ("Cc", "Cs") or "\u202a" <= character <= "\u202e"
    return character.encode("unicode_escape").decode() if hidden and character != "\t" else character
