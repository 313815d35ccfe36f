"""Tells a broken download from a complete video: does the file hold all bytes that its own headers promise?

Decoders do not answer this reliably. They show the existing frames, and whether they report the last, damaged frame
depends on the number of threads. The file's structure answers it before anything is decoded: the sizes of boxes in MP4
and QuickTime (ISO 14496-12), of elements in Matroska and WebM (RFC 8794), of chunks in AVI (RIFF), the packets of MPEG
transport streams (ISO 13818-1), the size that FLV states of itself, and the last byte of GIF.
"""

from __future__ import annotations

import os
import re
import struct
from pathlib import Path
from typing import BinaryIO

from vgmae_bench.errors import BadDataError

ALLOW_TRUNCATED = "another copy; track --allow-truncated and --dataset-set allow_truncated=true read the existing part"

_BOX_TYPES = frozenset({b"ftyp", b"moov", b"mdat", b"free", b"skip", b"wide", b"pnot", b"styp", b"moof", b"sidx"})
_EBML = b"\x1a\x45\xdf\xa3"
_SEGMENT, _CLUSTER = 0x18538067, 0x1F43B675
_MOST_ELEMENTS = 1_000_000
_TS_PACKETS = (188, 192, 204)
_TS_SYNC = 0x47
_GIF_TRAILER = b";"
_OGG, _OGG_HEADER, _OGG_LAST = b"OggS", 27, 4
_LONGEST_PAGE = 27 + 255 + 255 * 255
_FLV, _FLV_SIZE = b"FLV\x01", b"\x00\x08filesize\x00"  # the name of the size in the tag onMetaData; 8 bytes follow
_FLV_HEADER = 1 << 16  # bytes that are searched for this name
_Y4M_STEPS = {"420": (2, 2), "422": (2, 1), "444": (1, 1), "411": (4, 1)}  # pixels that share a colour: across, down


def check_complete(path: Path) -> None:
    """Refuse a file that is shorter than its headers say. Files of unknown structure pass.

    Raises:
        ValueError: see `missing_bytes`.
        BadDataError: bytes are missing at the end. The message has the present and the promised number of bytes.
    """
    if missing := missing_bytes(path):
        raise incomplete(path, "{:,} of at least {:,} bytes".format(*missing))


def missing_bytes(path: Path) -> tuple[int, int] | None:
    """(bytes in the file, smallest number of bytes that its headers promise) if bytes are missing; None for a complete file.

    Raises:
        ValueError: a part in the middle is missing.
    """
    found = path.stat().st_size
    with path.open("rb") as file:
        promised = _promised(file, found)
    return (found, promised) if promised is not None and found < promised else None


def incomplete(path: Path, share: str) -> BadDataError:
    """The error for a broken download. `share` says which part of the video is present: "60 of 120 frames"."""
    what = f"The video {path} is incomplete: it holds {share} that its headers promise"
    return BadDataError(what, "a download or a copy was probably cut off", try_=ALLOW_TRUNCATED)


def _promised(file: BinaryIO, found: int) -> int | None:
    """The smallest number of bytes that the file must have; None if its structure is not known."""
    head = file.read(_TS_PACKETS[-1] * 3)
    if head[4:8] in _BOX_TYPES:
        return _after_boxes(file, found)
    if head[:4] == _EBML:
        return _after_elements(file, found)
    if head[:4] == b"RIFF" and head[8:12] == b"AVI ":
        return _after_chunks(file, found)
    if head[:6] in (b"GIF87a", b"GIF89a"):
        return found + (not _ends_with_trailer(file, found))
    if head[:4] == _FLV:
        return _stated_in_flv(file)
    if head[:4] == _OGG:
        return found + (not _ends_with_page(file, found))
    if head.startswith(b"YUV4MPEG2 "):
        return _after_pictures(head, found)
    for length in _TS_PACKETS:
        offset = 4 if length == 192 else 0  # in M2TS, each packet begins with a time of 4 bytes
        if len(head) > 2 * length + offset and all(head[offset + n * length] == _TS_SYNC for n in range(3)):
            return -(-found // length) * length
    return None


def _after_boxes(file: BinaryIO, found: int) -> int:
    """The end of the last top-level box of an MP4. Bytes after the last complete box can be padding, and are not checked."""
    place = 0
    while place + 8 <= found:
        file.seek(place)
        header = file.read(16)
        size = int.from_bytes(header[:4], "big")
        if size == 1:
            size = int.from_bytes(header[8:16], "big")
        if size < 8:  # 0 means up to the end of the file; anything else is not a box
            return found
        place += size
    file.seek(min(place, found))
    return place + 8 if any(file.read(8)) else place  # the cut went through the header of a box


def _after_chunks(file: BinaryIO, found: int) -> int:
    """The end of the last RIFF chunk of an AVI. Long files have several chunks."""
    place = 0
    while place + 8 <= found:
        file.seek(place)
        header = file.read(8)
        if header[:4] != b"RIFF":
            return found
        size = int.from_bytes(header[4:8], "little")
        if not size:  # the writer could not seek back, as in a stream
            return found
        place += 8 + size + size % 2
    return place - (place == found + 1)  # the padding byte of the last chunk may be missing


def _after_elements(file: BinaryIO, found: int) -> int:
    """The end of the last element of a Matroska file. Segments and clusters are entered; other elements are skipped.

    Raises:
        ValueError: something between them is not an element, as in a file with missing parts.
    """
    place = end = 0
    for _ in range(_MOST_ELEMENTS):
        if place >= found:
            break
        file.seek(place)
        header = file.read(12)
        identifier, id_length = _vint(header, keep_marker=True)
        size, size_length = _vint(header[id_length:], keep_marker=False)
        if not id_length or not size_length:
            if len(header) < 12:  # the cut went through the header of an element
                return max(end, found + 1)
            raise ValueError(f"a part of it is missing or damaged, at byte {place:,}")
        inside = place + id_length + size_length
        if size != (1 << 7 * size_length) - 1:  # all ones: a size that the writer did not know
            end = max(end, inside + size)
        place = inside if identifier in (_SEGMENT, _CLUSTER) else inside + size
    return end


def _vint(data: bytes, *, keep_marker: bool) -> tuple[int, int]:
    """The number at the beginning of `data` and its length in bytes; (0, 0) if there is none."""
    if not data or not data[0]:
        return 0, 0
    length = 9 - data[0].bit_length()
    if len(data) < length:
        return 0, 0
    value = int.from_bytes(data[:length], "big")
    return value if keep_marker else value & ((1 << 7 * length) - 1), length


def _ends_with_page(file: BinaryIO, found: int) -> bool:
    """Whether the last page of an Ogg file is whole and says that it is the last one of its stream."""
    file.seek(max(found - 2 * _LONGEST_PAGE, 0), os.SEEK_SET)
    tail = file.read()
    place = tail.rfind(_OGG)
    header = tail[place : place + _OGG_HEADER]
    if place < 0 or len(header) < _OGG_HEADER:
        return False
    lengths = tail[place + _OGG_HEADER : place + _OGG_HEADER + header[-1]]
    whole = len(lengths) == header[-1] and place + _OGG_HEADER + len(lengths) + sum(lengths) <= len(tail)
    return whole and bool(header[5] & _OGG_LAST)


def _after_pictures(head: bytes, found: int) -> int | None:
    """The end of the last picture of a YUV4MPEG2 file; None if a header has parameters, or the pixel format is unknown."""
    line, newline, rest = head.partition(b"\n")
    words = {word[:1]: word[1:] for word in line.decode("latin-1").split()[1:]}
    try:
        width, height = int(words["W"]), int(words["H"])
    except (KeyError, ValueError):
        return None
    kind = words.get("C", "420")
    steps = _Y4M_STEPS.get(kind[:3])
    if not newline or not rest.startswith(b"FRAME\n") or "alpha" in kind or not (steps or kind.startswith("mono")):
        return None
    colours = 2 * -(-width // steps[0]) * -(-height // steps[1]) if steps else 0
    deep = re.search(r"(?:p|mono)(9|1\d)$", kind)
    picture = len(b"FRAME\n") + (width * height + colours) * (2 if deep else 1)
    pictures = found - len(line) - 1
    return len(line) + 1 + -(-pictures // picture) * picture


def _stated_in_flv(file: BinaryIO) -> int | None:
    """The size that the metadata of an FLV file state; None if they state none. The tags themselves do not show a cut."""
    file.seek(0)
    _, name, value = file.read(_FLV_HEADER).partition(_FLV_SIZE)
    if not name or len(value) < 8:
        return None
    (size,) = struct.unpack(">d", value[:8])
    return int(size) if 0 < size < 2**53 else None


def _ends_with_trailer(file: BinaryIO, found: int) -> bool:
    """Whether the last byte of a GIF, without padding, is the trailer byte."""
    file.seek(max(found - 4096, 0), os.SEEK_SET)
    return file.read().rstrip(b"\0").endswith(_GIF_TRAILER)
