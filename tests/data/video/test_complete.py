"""An incomplete download is reported for every container and every number of threads."""

from __future__ import annotations

import random
from pathlib import Path

import av
import numpy as np
import pytest

from tests.videos import encode
from vgmae_bench.data.video.complete import check_complete, missing_bytes
from vgmae_bench.data.video.file import open_video, stack
from vgmae_bench.errors import BadDataError

VIDEOS = Path(__file__).parent.parent / "kinetics_videos"
FRAMES = 24
FRAGMENTED = {"movflags": "frag_keyframe+empty_moov"}
KINDS = {
    "front.mp4": {"movflags": "+faststart"},
    "end.mp4": {},
    "fragments.mp4": FRAGMENTED,
    "known.mkv": {},
    "live.webm": {"live": "1"},
    "picture.gif": {},
    "flash.flv": {},
}


def noise() -> np.ndarray:
    """Random frames, which take more bytes than the headers of the file."""
    return np.random.default_rng(0).integers(0, 255, (FRAMES, 48, 64, 3), dtype=np.uint8)


@pytest.fixture(params=[*KINDS, "same.avi", "offset.ts"])
def whole(request: pytest.FixtureRequest, tmp_path: Path) -> Path:
    if request.param in KINDS:
        return encode(tmp_path / request.param, noise(), options=KINDS[request.param])
    return VIDEOS / str(request.param)


def test_a_complete_file_is_accepted(whole: Path) -> None:
    assert missing_bytes(whole) is None
    check_complete(whole)
    video = open_video(whole)
    assert len(stack(video.frames())) == video.num_frames > 0


def test_a_file_truncated_anywhere_is_refused(whole: Path, tmp_path: Path) -> None:
    data, cut = whole.read_bytes(), tmp_path / f"cut{whole.suffix}"
    places = sorted(random.Random(0).sample(range(len(data) // 3, len(data) - 16), 30))
    if whole.suffix == ".ts":  # a cut between two packets leaves no trace
        places = [place for place in places if place % 188]
    for place in places:
        cut.write_bytes(data[:place])
        with pytest.raises(BadDataError, match=r"is incomplete: it holds [\d,]+ of .*[\d,]+ (frames|bytes)") as caught:
            open_video(cut)
        assert "allow" in caught.value.try_


@pytest.mark.parametrize("name", ["front.mp4", "known.mkv", "fragments.mp4"])
def test_the_readable_part_of_a_truncated_file_can_be_used(tmp_path: Path, name: str) -> None:
    data = encode(tmp_path / name, noise(), options=KINDS[name]).read_bytes()
    cut = tmp_path / f"cut{Path(name).suffix}"
    cut.write_bytes(data[: len(data) * 2 // 3])
    video = open_video(cut, allow_truncated=True)
    found = [stack(video.frames(threads=threads)) for threads in (1, 2, 4, 0)]
    assert 2 < len(found[0]) < FRAMES
    for frames in found[1:]:
        np.testing.assert_array_equal(frames, found[0])


@pytest.mark.parametrize("threads", [1, 2, 0])
@pytest.mark.parametrize("name", ["front.mp4", "known.mkv", "known.avi"])
def test_a_file_with_a_zeroed_middle_part_is_refused(tmp_path: Path, name: str, threads: int) -> None:
    path = encode(tmp_path / name, noise())
    data = path.read_bytes()
    path.write_bytes(data[: len(data) // 2] + bytes(len(data) // 4) + data[len(data) // 2 + len(data) // 4 :])
    with pytest.raises(BadDataError):
        stack(open_video(path).frames(threads=threads))


def test_a_raw_stream_with_half_a_frame_is_refused(tmp_path: Path) -> None:
    data = (VIDEOS / "raw.h264").read_bytes()
    (tmp_path / "cut.h264").write_bytes(data[:1000])
    for threads in (1, 2, 4, 0):
        try:
            frames = stack(open_video(tmp_path / "cut.h264").frames(threads=threads))
        except BadDataError as error:
            assert "damaged" in str(error)
        else:
            assert len(frames) < 45


def page(content: bytes, flags: int) -> bytes:
    """An Ogg page, without a correct checksum."""
    return b"OggS\0" + bytes([flags]) + bytes(20) + bytes([1, len(content)]) + content


def test_ogg_without_an_end_of_stream_page_is_refused(tmp_path: Path) -> None:
    file = tmp_path / "a.ogv"
    whole = page(b"head", 2) + page(b"middle", 0) + page(b"the end", 4)
    file.write_bytes(whole)
    assert missing_bytes(file) is None
    for length in range(40, len(whole)):
        file.write_bytes(whole[:length])
        assert missing_bytes(file) == (length, length + 1)


@pytest.mark.parametrize(
    ("words", "picture"),
    [
        ("W5 H3", 15 + 2 * 6),
        ("W5 H3 C444", 45),
        ("W5 H3 Cmono", 15),
        ("W5 H3 C422p10", 2 * (15 + 2 * 9)),
        ("W4 H2 C420jpeg", 12),
    ],
)
def test_yuv4mpeg2_ends_with_a_whole_picture(tmp_path: Path, words: str, picture: int) -> None:
    file = tmp_path / "a.y4m"
    head = f"YUV4MPEG2 {words} F25:1\n".encode()
    whole = head + (b"FRAME\n" + bytes(picture)) * 3
    file.write_bytes(whole)
    assert missing_bytes(file) is None
    file.write_bytes(whole[:-1])
    assert missing_bytes(file) == (len(whole) - 1, len(whole))
    file.write_bytes(whole + b"F")
    assert missing_bytes(file) == (len(whole) + 1, len(whole) + 6 + picture)


def test_a_raw_stream_is_read_with_a_warning(tmp_path: Path, caplog: pytest.LogCaptureFixture) -> None:
    path = tmp_path / "raw.h264"
    with av.open(str(encode(tmp_path / "a.mp4", noise()))) as whole, av.open(str(path), "w") as raw:
        stream = raw.add_stream_from_template(whole.streams.video[0])
        for packet in whole.demux(whole.streams.video[0]):
            if packet.size:
                packet.stream = stream
                raw.mux(packet)
    assert open_video(path).num_frames == FRAMES
    assert [record.message for record in caplog.records if "raw stream" in record.message] == [
        f"{path} is a raw stream, which does not say how long it is: frames may be missing at its end"
    ]


def test_damage_found_while_counting_frames_is_an_error_of_one_line() -> None:
    with pytest.raises(BadDataError, match=r"damaged_interlaced\.mkv cannot be read"):
        open_video(Path(__file__).parent / "files" / "damaged_interlaced.mkv")
