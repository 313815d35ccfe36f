"""`vgmae-bench track` as people use it."""

from __future__ import annotations

import json
from pathlib import Path

import h5py
import numpy as np
import pandas as pd
import pytest
from click.testing import CliRunner, Result
from PIL import Image

from tests.cli.test_cli import call
from tests.clips import moving_square
from tests.videos import encode, greys, save_images
from vgmae_bench.cli import cli
from vgmae_bench.data.video.file import open_video, stack
from vgmae_bench.errors import UserError

SIZE = (48, 64)


def track(*arguments: str) -> Result:
    return CliRunner().invoke(cli, ["track", *arguments])


@pytest.fixture
def video() -> str:
    return str(encode(Path("video.mp4"), moving_square(num_frames=9, size=SIZE)["video"], fps=50))


def test_track_writes_a_table_arrays_and_a_video(video: str) -> None:
    done = call("track", video, "--method", "lucas-kanade", "--points", "0,20,20", "4,30.5,24", "--out", "out")
    out = Path("out")
    assert done.stdout.split() == [str(out / name) for name in ("tracks.csv", "tracks.h5", "tracks.mp4", "record.json")]
    assert {path.name for path in out.iterdir()} == {"tracks.csv", "tracks.h5", "tracks.mp4", "record.json"}
    assert "points    2: typed" in done.stderr

    record = json.loads((out / "record.json").read_text())
    assert record["video"] | {"sha256": ""} == {
        "name": "video.mp4", "sha256": "", "size": [48, 64], "fps": 50.0, "frames": 9,
    }  # fmt: skip
    assert record["method"]["name"] == "lucas-kanade"
    assert record["method"]["settings"]["window"] == 21
    assert record["session"]["command"].startswith("vgmae-bench track video.mp4")

    with h5py.File(out / "tracks.h5") as file:
        xy, visible = file["xy"][()], file["visible"][()]
        assert file["query_frame"][()].tolist() == [0, 4]
        assert file["query_xy"][()].tolist() == [[20, 20], [30.5, 24]]
        assert (file.attrs["fps"], file.attrs["method"], file.attrs["size"].tolist()) == (50, "lucas-kanade", [48, 64])
        assert json.loads(file.attrs["record"]) == record
    assert xy.shape == (2, 9, 2)
    # The picture moves right by a pixel a frame; what is asked about in frame 4 was followed back as well.
    expected = [[[20 + t, 20] for t in range(9)], [[30.5 + t - 4, 24] for t in range(9)]]
    assert np.abs(xy - expected).max() < 1

    table = pd.read_csv(out / "tracks.csv")
    assert list(table) == ["point", "frame", "x", "y", "visible"]
    assert np.allclose(table[["x", "y"]].to_numpy().reshape(2, 9, 2), xy, atol=6e-4)
    assert np.array_equal(table["visible"].to_numpy().reshape(2, 9), visible)

    drawn, source = open_video(out / "tracks.mp4"), open_video(Path(video))
    assert (drawn.size, drawn.fps, drawn.num_frames) == (SIZE, 50, 9)
    difference = np.abs(stack(drawn.frames()).astype(int) - stack(source.frames())).max(axis=-1)
    for t, picture in enumerate(difference):
        x, y = xy[0, t].astype(int)
        assert picture[y - 1 : y + 1, x - 1 : x + 1].min() > 40


@pytest.mark.parametrize("method", ["zero-motion", "videogmae"])
def test_every_method_works_on_folders_of_images_and_gifs(method: str) -> None:
    save_images(Path("frames"), greys(5, size=(35, 51)))  # an odd size
    encode(Path("video.gif"), greys(5, size=(35, 51)), fps=50)
    for name, fps in (("frames", 25), ("video.gif", 50)):
        assert track(name, "--method", method, "--grid", "3", "--out", name + "-out").exception is None
        with h5py.File(Path(name + "-out", "tracks.h5")) as file:
            assert file["xy"].shape == (9, 5, 2)
        drawn = open_video(Path(name + "-out", "tracks.mp4"))
        assert (drawn.size, drawn.fps, drawn.num_frames) == ((36, 52), fps, 5)


def test_a_mask_says_where_points_are(video: str) -> None:
    mask = np.zeros(SIZE, dtype=np.uint8)
    mask[10:20, 30:50] = 255
    Image.fromarray(mask).save("mask.png")
    for more, count in (([], 256), (["--grid", "4"], 16)):
        result = track(video, "--method", "zero-motion", "--mask", "mask.png", *more, "--out", "out")
        assert result.exception is None
        with h5py.File("out/tracks.h5") as file:
            x, y = file["query_xy"][()].T
        assert len(x) == count
        assert ((x > 30) & (x < 50) & (y > 10) & (y < 20)).all()


def test_the_input_size_can_be_set(video: str, tmp_path: Path) -> None:
    (tmp_path / "shape.py").write_text(
        "import numpy as np\nfrom vgmae_bench import Tracks\n\n"
        "class Shape:\n"
        "    def track(self, frames, queries):\n"
        "        with open('seen.txt', 'a') as seen:\n"
        "            seen.write(f'{frames.shape} ')\n"
        "        xy = np.repeat(queries.xy[:, None], len(frames), axis=1)\n"
        "        return Tracks(xy, np.ones(xy.shape[:2], dtype=bool))\n"
    )
    save_images(Path("large"), greys(2, size=(1024, 1536)))
    for arguments in ([video], [video, "--size", "24x40", "--max-frames", "5"], ["large"]):
        result = track(*arguments, "--method", "shape.py:Shape", "--points", "0,20,20", "--out", "out")
        assert result.exception is None
        with h5py.File("out/tracks.h5") as file:
            assert np.allclose(file["xy"][()], 20)
    assert Path("seen.txt").read_text() == "(9, 48, 64, 3) (5, 24, 40, 3) (2, 512, 768, 3) "


def test_much_memory_is_announced(video: str, monkeypatch: pytest.MonkeyPatch) -> None:
    arguments = (video, "--method", "zero-motion", "--grid", "2", "--out", "out")
    assert "GB" not in track(*arguments).output
    monkeypatch.setattr("vgmae_bench.cli.evaluation.track._MUCH_MEMORY", 9 * 48 * 64 * 3 - 1)
    assert "works at  64×48: the frames take 0.0 GB; --size or --max-frames take less" in track(*arguments).output


@pytest.mark.parametrize(
    ("arguments", "expected"),
    [
        ([], "no points to track"),
        (["--points", "0,20"], '"0,20" is no point'),
        (["--points", "0,20,20", "--points", "0,64.5,20"], "0,64.5,20 is outside the video"),
        (["--points", "9,20,20"], "no frame 9 to track from"),
        (["--points", "0,20,20", "--grid", "3"], "cannot be combined with"),
        (["0,20,20", "--grid", "3"], "one argument too many"),
        (["--grid", "0"], "0 is not in the range"),
        (["--grid", "2", "--size", "24"], "sizes look like"),
        (["--grid", "2", "--weights", "w.safetensors"], 'There are no weights "w.safetensors"'),
        (["--grid", "2", "--set", "speed=3"], "no settings"),
        (["--mask", "black.png"], "no foreground"),
        (["--mask", "gone.png"], "does not exist"),
    ],
)
def test_mistakes_are_reported_and_write_no_files(video: str, arguments: list[str], expected: str) -> None:
    Image.new("L", SIZE[::-1]).save("black.png")
    result = track(video, *arguments, "--method", "zero-motion", "--out", "out")
    told = str(result.exception) if isinstance(result.exception, UserError) else result.output
    assert expected in told
    assert result.exit_code != 0
    assert not Path("out").exists()


def test_unreadable_videos_are_errors_of_one_line() -> None:
    Path("text.mp4").write_text("no video")
    done = call("track", "text.mp4", "--method", "zero-motion", "--grid", "2", "--out", "out", code=1)
    assert done.stderr == "Error: text.mp4 cannot be read. Invalid data found when processing input.\n"


def test_a_video_is_not_replaced_by_its_own_tracks(video: str) -> None:
    Path(video).rename("tracks.mp4")
    result = track("tracks.mp4", "--method", "zero-motion", "--grid", "2", "--out", ".")
    assert "replaced by its own tracks" in str(result.exception)
    assert {path.name for path in Path().iterdir()} == {"tracks.mp4"}


def test_a_broken_download_is_refused_or_used_as_asked(video: str) -> None:
    cut = Path("cut.mkv")
    encode(cut, moving_square(num_frames=30, size=SIZE)["video"])
    cut.write_bytes(cut.read_bytes()[: cut.stat().st_size * 2 // 3])
    command = ["track", str(cut), "--method", "zero-motion", "--points", "0,20,20", "--out", "out"]
    refused = CliRunner().invoke(cli, command)
    assert isinstance(refused.exception, UserError)
    assert "is incomplete: it holds" in str(refused.exception) and "--allow-truncated" in refused.exception.try_
    assert not Path("out").exists()
    call(*command, "--allow-truncated")
    assert 2 < json.loads(Path("out/record.json").read_text())["video"]["frames"] < 30
