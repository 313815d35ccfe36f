from __future__ import annotations

from typing import Any

import pytest
import torch
from torch import Tensor
from vgmae_baselines.gmrw.pretraining.crops import CropConfig, between_crops, crop, draw_crops

from vgmae_bench.config import build
from vgmae_bench.errors import UsageError

SEEDS = tuple(range(500))


def ramps(size: int) -> Tensor:
    """An image [1, 1, 3, size, size] whose first two channels are x and y in units of the frame, at pixel centres."""
    centre = (torch.arange(size) + 0.5) / size
    return torch.stack([centre.expand(size, -1), centre[:, None].expand(-1, size), torch.zeros(size, size)])[None, None]


def test_crops_have_the_areas_and_aspects_asked_for() -> None:
    config = CropConfig(crop_area=(0.2, 0.9), crop_aspect=(0.5, 1.5))
    x, y, width, height = draw_crops(SEEDS, config).unbind(-1)
    area, aspect = width * height, width / height
    assert 0.2 <= area.min() < 0.22
    assert 0.88 < area.max() <= 0.9
    assert 0.5 <= aspect.min() < 0.55
    assert 1.4 < aspect.max() <= 1.5
    for start, length in ((x, width), (y, height)):
        assert start.min() >= 0
        assert (start + length).max() <= 1 + 1e-12
    assert area.mean().item() == pytest.approx(0.55, abs=0.02)


def test_a_crop_may_be_the_whole_frame() -> None:
    boxes = draw_crops((1, 2), CropConfig(crop_area=(1.0, 1.0)))
    torch.testing.assert_close(boxes, torch.tensor([0.0, 0.0, 1.0, 1.0]).double().expand(2, 2, 4))


def test_crops_depend_only_on_their_clip_and_are_independent() -> None:
    boxes = draw_crops(SEEDS, CropConfig())
    assert torch.equal(draw_crops((7,), CropConfig())[0], boxes[7])
    correlation = torch.corrcoef(boxes[:, :, 2].T)[0, 1]
    assert abs(correlation) < 0.15


def test_a_crop_shows_what_its_box_encloses() -> None:
    images = ramps(64).expand(2, 3, -1, -1, -1)
    boxes = torch.tensor([[0.25, 0.125, 0.5, 0.25], [0.0, 0.5, 0.3, 0.4]])
    cut = crop(images, boxes, 16)
    assert cut.shape == (2, 3, 3, 16, 16)
    centre = (torch.arange(16) + 0.5) / 16
    for image, (x, y, width, height) in zip(cut, boxes, strict=True):
        inner = slice(1, None)  # beyond the outermost centres of the frame there is nothing to interpolate
        torch.testing.assert_close(image[0, 0, 0, inner], (x + centre * width)[inner], atol=1e-5, rtol=0)
        torch.testing.assert_close(image[2, 1, inner, 0], (y + centre * height)[inner], atol=1e-5, rtol=0)


def test_the_map_between_crops_keeps_frame_positions() -> None:
    outgoing, returning = torch.tensor([[[0.25, 0.125, 0.5, 0.25]], [[0.1, 0.0, 0.6, 0.75]]])
    size = 64
    matrix = between_crops(outgoing.double(), returning.double(), size)[0]
    there, back = (crop(ramps(256), box, size)[0, 0, :2, ::4, ::4] for box in (outgoing, returning))
    for column, row in ((5, 6), (12, 3), (8, 14)):
        x, y = (matrix[:, :2] @ torch.tensor([column, row]).double() + matrix[:, 2]).tolist()
        left, top = int(x), int(y)
        corner = back[:, top, left]
        steps = torch.stack([back[0, top, left + 1] - corner[0], back[1, top + 1, left] - corner[1]])
        place = corner + steps * torch.tensor([x - left, y - top])
        torch.testing.assert_close(place, there[:, row, column], atol=1e-5, rtol=0)


@pytest.mark.parametrize(
    ("settings", "message"),
    [
        ({"crop_size": 100}, "multiple of 8"),
        ({"crop_area": [0.5, 0.3]}, "smaller first"),
        ({"crop_area": [0.0, 0.3]}, "smaller first"),
        ({"crop_aspect": [1.1, 1.3]}, "around 1"),
    ],
)
def test_impossible_settings(settings: dict[str, Any], message: str) -> None:
    with pytest.raises(UsageError, match=message):
        build(CropConfig, settings, owner="gmrw")
