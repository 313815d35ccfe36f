"""TAP-Vid-Kinetics from annotations and videos equals the output of the published generator."""

from __future__ import annotations

import logging
from pathlib import Path

import numpy as np
import pytest

from tests.clips import moving_square
from tests.data.toy import jpeg, save
from tests.videos import encode, greys, numbers
from vgmae_bench.data.dataset import Coverage, OpenedDataset
from vgmae_bench.data.kinetics import Annotations, jpeg_frames
from vgmae_bench.data.open import open_dataset
from vgmae_bench.data.prepare import prepare
from vgmae_bench.data.prepared import PreparedDataset
from vgmae_bench.data.video.file import open_video
from vgmae_bench.data.video.frames import decode_frames
from vgmae_bench.errors import BadDataError, MissingDataError

FRAMES = 12
NAMES = {"-a_Clip": (3, 13), "other": (120, 130), "gone": (0, 10)}


def fractions(seed: int) -> tuple[np.ndarray, np.ndarray]:
    rng = np.random.default_rng(seed)
    return np.round(rng.random((3, FRAMES, 2)), 6), rng.random((3, FRAMES)) < 0.3


def write_csv(root: Path) -> Path:
    """As published: no header, one row a track; the rows of the first clip are not together."""
    rows = []
    for seed, (name, (start, end)) in enumerate(NAMES.items()):
        for xy, hidden in zip(*fractions(seed), strict=True):
            triples = [f"{x},{y},{int(flag)}" for (x, y), flag in zip(xy.tolist(), hidden, strict=True)]
            rows.append(",".join([name, str(start), str(end), *triples]))
    rows.append(rows.pop(2))
    path = root / "tapvid_kinetics" / "tapvid_kinetics.csv"
    path.parent.mkdir(parents=True)
    path.write_text("\r\n".join(rows) + "\r\n")
    return path


def write_videos(folder: Path, frames: int = FRAMES) -> list[Path]:
    """Videos of the first two clips at 25 fps, in sub-folders."""
    paths = []
    for seed, (name, (start, end)) in enumerate(list(NAMES.items())[:2]):
        path = folder / f"class {seed}" / f"{name}_{start:06}_{end:06}.mp4"
        path.parent.mkdir(parents=True)
        video = moving_square(frames, size=(48, 64), seed=seed)["video"]
        smooth = video.reshape(frames, 6, 8, 8, 8, 3).mean(axis=(2, 4)).astype(np.uint8)  # smooth: a codec preserves it
        paths.append(encode(path, np.kron(smooth, np.ones((1, 8, 8, 1), np.uint8)), fps=25))
    return paths


def kinetics(root: Path) -> OpenedDataset:
    return open_dataset("kinetics", root=root)


def write_shards(root: Path, videos: list[Path]) -> None:
    """The output of generate_tapvid.py for these clips, by its description, with another JPEG encoder."""
    shard = []
    for seed, path in enumerate(videos):
        xy, hidden = fractions(seed)
        order = [0, 1, 2]
        frames = list(open_video(path).frames())
        size = np.array([64, 48])
        points = (xy[order][:, : len(frames)] * size - 0.5) / size
        shard.append({"video": np.array([jpeg(frame) for frame in frames]), "points": points,
                      "occluded": hidden[order][:, : len(frames)]})  # fmt: skip
    save(shard, root / "tapvid_kinetics" / "0000_of_0001.pkl")


@pytest.mark.parametrize("frames", [FRAMES, FRAMES - 4], ids=["whole", "shorter than its tracks"])
def test_annotations_and_videos_equal_the_shards(tmp_path: Path, frames: int) -> None:
    videos = write_videos(tmp_path / "videos", frames)
    write_csv(tmp_path / "csv")
    write_shards(tmp_path / "shards", videos)
    prepare("kinetics", tmp_path / "csv", tmp_path / "videos")
    from_csv, from_shards = kinetics(tmp_path / "csv"), kinetics(tmp_path / "shards")
    assert from_csv.ids == ("-a_Clip_000003_000013", "other_000120_000130")
    for own, theirs in zip(from_csv.ids, from_shards.ids, strict=True):
        ours, published = from_csv.clip(own), from_shards.clip(theirs)
        tracks = np.argsort(ours.points[:, 0, 0]), np.argsort(published.points[:, 0, 0])
        np.testing.assert_array_equal(ours.points[tracks[0]], published.points[tracks[1]], strict=True)
        np.testing.assert_array_equal(ours.occluded[tracks[0]], published.occluded[tracks[1]], strict=True)
        difference = np.abs(ours.read().astype(int) - published.read())
        assert ours.num_frames == frames
        assert difference.mean() < 4 and np.quantile(difference, 0.99) < 25
        # Frames of neighbours differ by far more: it is these frames.
        assert np.abs(ours.read()[1:].astype(int) - published.read()[:-1]).mean() > 2 * difference.mean()


def test_half_pixels_are_those_of_the_generator(tmp_path: Path) -> None:
    write_videos(tmp_path / "videos")
    write_csv(tmp_path)
    prepare("kinetics", tmp_path, tmp_path / "videos")
    kept = open_dataset("kinetics", root=tmp_path)
    moved = open_dataset("kinetics", {"half_pixel": "compensate"}, tmp_path)
    published = fractions(1)[0] * np.array([64, 48])
    np.testing.assert_allclose(kept.clip("other_000120_000130").tracks(), published - 0.5, atol=1e-9)
    np.testing.assert_allclose(moved.clip("other_000120_000130").tracks(), published, atol=1e-9)


def test_missing_clips_are_listed(tmp_path: Path, caplog: pytest.LogCaptureFixture) -> None:
    caplog.set_level(logging.INFO, "vgmae_bench")
    _, broken = write_videos(tmp_path / "videos")
    broken.write_bytes(broken.read_bytes()[:100])
    write_csv(tmp_path)
    path = prepare("kinetics", tmp_path, tmp_path / "videos")
    assert kinetics(tmp_path).coverage == Coverage(1147, 1, ["gone_000000_000010", "other_000120_000130"])
    assert "other_000120_000130 is left out" in caplog.text
    names = [name for name, _ in PreparedDataset(path).about["sources"]]
    assert names == ["tapvid_kinetics.csv", "-a_Clip_000003_000013.mp4"]


def test_frames_come_at_25_a_second_and_250_at_most(tmp_path: Path) -> None:
    fast = encode(tmp_path / "fast.mp4", greys(24), fps=50)
    found = numbers(decode_frames(jpeg_frames(fast)))
    assert len(found) == 12 and set(np.diff(found)) == {2}
    slow = encode(tmp_path / "slow.mp4", greys(24), fps=2)
    assert len(jpeg_frames(slow)) == 250


def test_without_annotations_or_videos_the_next_step_is_named(tmp_path: Path) -> None:
    (tmp_path / "videos").mkdir()
    with pytest.raises(MissingDataError) as caught:
        prepare("kinetics", tmp_path, tmp_path / "videos")
    assert caught.value.try_ == "vgmae-bench data fetch kinetics"
    write_csv(tmp_path)
    with pytest.raises(MissingDataError, match="holds none of the 3 videos"):
        prepare("kinetics", tmp_path, tmp_path / "videos")


@pytest.mark.parametrize(
    ("row", "message"),
    [
        ("id,x,10,0.5,0.5,0", "line 1 does not begin with a video"),
        ("../id,0,10,0.5,0.5,0", "line 1 names a video that cannot be a file name"),
        ("id,0,10,0.5,0.5", "rows of id_000000_000010 are not x, y and occlusion"),
        ("id,0,10,0.5,left,0", "rows of id_000000_000010 are not x, y and occlusion"),
        ("id,0,10,0.5,nan,0", "other than finite positions"),
        ("id,0,10,0.5,0.5,2", "other than finite positions"),
    ],
)
def test_damaged_annotations_are_named(tmp_path: Path, row: str, message: str) -> None:
    (tmp_path / "a.csv").write_text(row + "\n")
    with pytest.raises(BadDataError, match=message):
        Annotations(tmp_path / "a.csv").tracks("id_000000_000010")


def test_different_videos_of_one_name_are_named(tmp_path: Path) -> None:
    first, _ = write_videos(tmp_path / "videos")
    copy = tmp_path / "videos" / "copies" / first.name
    copy.parent.mkdir()
    copy.write_bytes(first.read_bytes())
    write_csv(tmp_path)
    prepare("kinetics", tmp_path, tmp_path / "videos")
    copy.write_bytes(first.read_bytes()[:-10])
    with pytest.raises(BadDataError, match="Different videos have one name"):
        prepare("kinetics", tmp_path, tmp_path / "videos")


def test_a_broken_download_is_left_out_and_listed(tmp_path: Path, caplog: pytest.LogCaptureFixture) -> None:
    caplog.set_level(logging.INFO, "vgmae_bench")
    broken, _ = write_videos(tmp_path / "videos")
    broken.write_bytes(broken.read_bytes()[: broken.stat().st_size // 2])
    write_csv(tmp_path)
    prepare("kinetics", tmp_path, tmp_path / "videos")
    assert "-a_Clip_000003_000013" in kinetics(tmp_path).coverage.missing
    assert "-a_Clip_000003_000013 is left out: The video" in caplog.text
