"""CoTracker3's conventions, with stand-ins for its predictor and for its torch.hub package."""

from __future__ import annotations

from pathlib import Path

import pytest
import torch
from torch import Tensor
from vgmae_baselines.trackmae.teachers import cotracker3
from vgmae_baselines.trackmae.teachers.cotracker3 import COMMIT, WEIGHTS, CoTracker3
from vgmae_baselines.trackmae.teachers.registry import open_teacher
from vgmae_baselines.trackmae.teachers.teacher import grid_points

from vgmae_bench.errors import PluginError


class StandIn:
    """Moves every query by (1, 2) pixels per frame and hides the second one. It checks its inputs strictly."""

    def __init__(self) -> None:
        self.videos: list[Tensor] = []
        self.queries: list[Tensor] = []

    def __call__(self, video: Tensor, *, queries: Tensor) -> tuple[Tensor, Tensor]:
        assert video.dtype == queries.dtype == torch.float32
        assert video.shape[0] == queries.shape[0] == 1 and video.shape[2] == 3 and queries.shape[2] == 3
        assert not torch.is_grad_enabled()
        self.videos.append(video)
        self.queries.append(queries)
        time = torch.arange(float(video.shape[1]))[None, :, None, None]
        tracks = queries[:, None, :, 1:] + time * torch.tensor([1.0, 2.0])
        visible = torch.ones(tracks.shape[:3], dtype=torch.bool)
        visible[:, 1:, 1] = False
        return tracks, visible


def test_conventions() -> None:
    predictor = StandIn()
    video = torch.randint(256, (2, 4, 24, 36, 3), dtype=torch.uint8, generator=torch.Generator().manual_seed(0))
    found = CoTracker3(predictor, "cpu").tracks(video, (0, 1), 3)
    assert [len(predictor.videos), *predictor.videos[1].shape] == [2, 1, 4, 3, 24, 36]
    assert torch.equal(predictor.videos[1][0, 3, :, 5, 7], video[1, 3, 5, 7].float())
    assert (predictor.queries[0][0, :, 0] == 0).all()
    assert predictor.queries[0][0, 1].tolist() == [0, 17.5, 3.5]  # (t, x, y), pixel centres at integers
    true = grid_points(24, 36, 3)[:, None] + torch.arange(4.0)[:, None] * torch.tensor([1.0, 2.0])
    torch.testing.assert_close(found.xy, true.expand(2, -1, -1, -1))
    assert found.visible.shape == (2, 9, 4) and found.visible.dtype == torch.bool
    assert found.visible[:, 1].tolist() == [[True, False, False, False]] * 2
    assert found.visible[:, [0, *range(2, 9)]].all()


HUBCONF = """
import torch

class Model(torch.nn.Module):
    def forward(self, video, queries):
        tracks = queries[:, None, :, 1:].expand(-1, video.shape[1], -1, -1)
        return tracks, tracks[..., 0] > 0

torch.manual_seed(0)

def cotracker3_offline(*, pretrained=True, **kwargs):
    return Model()
"""


def hub(root: Path, monkeypatch: pytest.MonkeyPatch, code: str | None = HUBCONF, weights: bool = True) -> None:
    """A torch.hub folder like that of the public package, or with parts missing."""
    monkeypatch.setattr(torch.hub, "_hub_dir", str(root))
    cotracker3._show_notice.cache_clear()
    if code is not None:
        folder = root / f"facebookresearch_co-tracker_{COMMIT}"
        folder.mkdir(parents=True)
        (folder / "hubconf.py").write_text(code)
    if weights:
        (root / "checkpoints").mkdir(parents=True)
        (root / "checkpoints" / WEIGHTS).touch()


def test_the_hub_package(tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]) -> None:
    hub(tmp_path, monkeypatch)
    torch.manual_seed(7)
    expected = torch.rand(3)
    torch.manual_seed(7)
    teacher = open_teacher("cotracker3")
    open_teacher("cotracker3", cache=False)
    assert torch.equal(torch.rand(3), expected), "importing it must not seed our generator"
    assert capsys.readouterr().err.count("CC-BY-NC 4.0") == 1
    found = teacher.tracks(torch.zeros(1, 3, 16, 16, 3, dtype=torch.uint8), (0,), 2)
    torch.testing.assert_close(found.xy, grid_points(16, 16, 2)[None, :, None].expand(-1, -1, 3, -1))


@pytest.mark.parametrize(("code", "weights", "missing"), [(None, True, "hubconf.py"), (HUBCONF, False, WEIGHTS)])
def test_a_missing_cotracker_is_an_error_with_instructions(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, code: str | None, weights: bool, missing: str
) -> None:
    hub(tmp_path, monkeypatch, code, weights)
    with pytest.raises(PluginError) as caught:
        open_teacher("cotracker3")
    assert missing in caught.value.what
    assert "non-commercial" in caught.value.why
    assert COMMIT in caught.value.try_ and "torch.hub.load" in caught.value.try_


def test_a_missing_package_of_cotracker_is_named(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    hub(tmp_path, monkeypatch, code="import a_module_that_is_not_there")
    with pytest.raises(PluginError, match="a_module_that_is_not_there"):
        open_teacher("cotracker3")
