"""Separate tests of feature maps, matching, propagation and the correction of positions."""

from __future__ import annotations

import pytest
import torch
import torch.nn.functional as F
from torch import Tensor

from tests.models.features.encoders import Patches
from vgmae_bench.models.features.debias import Debias, calibrate
from vgmae_bench.models.features.encoder import encode_frames, slots, stitched_maps
from vgmae_bench.models.features.matching import SoftArgmax, locate, mass_centre, sample, similarity, splat
from vgmae_bench.models.features.propagation import Direct, Either, Found, Recurrent


def noise(*shape: int, seed: int = 0) -> Tensor:
    return torch.randn(shape, generator=torch.Generator().manual_seed(seed))


class MeanPixel:
    """The mean of each channel over a patch."""

    image_size, patch_size, num_frames, time_stride = 64, 16, 4, 2

    def patch_features(self, video: Tensor) -> Tensor:
        patches = video.unflatten(2, (-1, 2))[:, :, :, 0].unflatten(3, (4, 16)).unflatten(5, (4, 16))
        means: Tensor = patches.mean(dim=(4, 6)).permute(0, 2, 3, 4, 1)
        return means


@pytest.mark.parametrize("factor", [1, 2, 4])
def test_cells_of_stitched_maps_divide_the_frame_evenly(factor: int) -> None:
    """Channels are x, y and 1, so that a cell's features show the position of its pixels."""
    centres = torch.arange(64) + 0.5
    y, x = torch.meshgrid(centres, centres, indexing="ij")
    image = torch.stack([x, y, torch.ones_like(x)])
    maps = stitched_maps(MeanPixel(), image[None].expand(2, -1, -1, -1), factor, lambda maps: maps)
    assert maps.shape == (2, 4 * factor, 4 * factor, 3)
    torch.testing.assert_close(maps.norm(dim=-1), torch.ones(2, 4 * factor, 4 * factor))
    cell = 16 / factor
    middle = slice(factor, -factor)  # at the border, pixels are repeated
    where = (maps[1, ..., :2] / maps[1, ..., 2:])[middle, middle]
    expected = (torch.arange(4 * factor) + 0.5)[middle] * cell
    torch.testing.assert_close(where[0, :, 0], expected)
    torch.testing.assert_close(where[:, 0, 1], expected)


def test_stitching_interleaves_passes() -> None:
    encoder, images = Patches(), noise(4, 3, 64, 64)
    fine = stitched_maps(encoder, images, 2, lambda maps: maps)
    padded = F.pad(images, (2, 2, 2, 2), mode="replicate")
    shifted = F.normalize(encode_frames(encoder, padded[..., 4:, :64]), dim=-1)  # down by 2, left by 2
    torch.testing.assert_close(fine[:, 1::2, 0::2], shifted)


def test_a_map_does_not_depend_on_other_frames_if_the_encoder_separates_them() -> None:
    encoder, images = Patches(), noise(4, 3, 64, 64)
    assert slots(encoder) == 4
    torch.testing.assert_close(encode_frames(encoder, images[2:3])[0], encode_frames(encoder, images)[2])


def test_features_between_cells() -> None:
    maps = F.normalize(noise(4, 6, 8), dim=-1)
    at_centre = sample(maps, torch.tensor([[5 * 8 + 4.0, 2 * 8 + 4.0]]), 8)
    torch.testing.assert_close(at_centre[0], maps[2, 5])
    between = sample(maps, torch.tensor([[16.0, 12.0]]), 8)
    torch.testing.assert_close(between[0], F.normalize(maps[1, 1] + maps[1, 2], dim=-1))
    torch.testing.assert_close(sample(maps, torch.tensor([[-9.0, 99.0]]), 8)[0], maps[3, 0])


def test_positions_of_scores() -> None:
    scores = torch.full((1, 5, 7), -1.0)
    scores[0, 2, 3], scores[0, 2, 4] = 1.0, 1.0 + 1e-6
    scores[0, 0, 0] = 0.99  # too far to count
    torch.testing.assert_close(locate(scores, 8, SoftArgmax(beta=20)), torch.tensor([[32.0, 20.0]]), atol=1e-3, rtol=0)
    assert locate(scores, 8, SoftArgmax(20, 1.5), near=torch.tensor([[5.0, 5.0]])).allclose(
        torch.tensor([[4.0, 4.0]]), atol=1e-3
    )
    corner = torch.zeros(1, 5, 7)
    corner[0, 4, 6] = 10.0
    assert locate(corner, 8, SoftArgmax(beta=20)).tolist() == [[52, 36]]


def test_soft_argmax_weighs_by_the_exponential() -> None:
    scores = torch.zeros(1, 1, 3)
    scores[0, 0] = torch.tensor([0.0, 0.3, 0.1])
    shares = torch.tensor([0.0, 0.3, 0.1]).mul(5).softmax(dim=0)
    expected = (shares * torch.tensor([0.5, 1.5, 2.5])).sum() * 4
    torch.testing.assert_close(locate(scores, 4, SoftArgmax(5, 1))[0], torch.stack([expected, torch.tensor(2.0)]))


def test_a_splat_has_its_centre_where_it_was_put() -> None:
    xy = torch.rand(50, 2, generator=torch.Generator().manual_seed(0)) * torch.tensor([48.0, 24.0]) + 4
    mass = splat(xy, 4, 7, 8)
    torch.testing.assert_close(mass.sum(dim=(1, 2)), torch.ones(50))
    centre, there = mass_centre(mass, 8, radius=1.5)
    torch.testing.assert_close(centre, xy, atol=1e-4, rtol=1e-5)
    assert there.all()
    assert not mass_centre(torch.zeros(1, 4, 7), 8, 1.5)[1].any()


def test_direct_matching_finds_what_moved() -> None:
    query = F.normalize(noise(8, 8, 32), dim=-1)
    moved = query.roll((1, 2), dims=(0, 1))
    xy = torch.tensor([[20.0, 20.0], [30.0, 13.0]])
    found = Direct(xy, 8, SoftArgmax()).step(query, moved)
    torch.testing.assert_close(found.xy, xy + torch.tensor([16.0, 8.0]), atol=1e-3, rtol=0)
    torch.testing.assert_close(found.score, torch.ones(2))


def drifting(frames: int) -> Tensor:
    """Maps that move by one cell to the right per frame, while all features rotate by 25 degrees per frame."""
    one, other = (F.normalize(noise(8, 8, 64, seed=seed), dim=-1) for seed in (0, 1))
    angles = torch.deg2rad(25.0 * torch.arange(frames))
    maps = [F.normalize(angle.cos() * one + angle.sin() * other, dim=-1).roll(t, 1) for t, angle in enumerate(angles)]
    return torch.stack(maps)


def test_label_propagation_follows_changing_appearance() -> None:
    maps = drifting(5)
    xy = torch.tensor([[12.0, 28.0]])
    recurrent = Recurrent(xy, 8, 1.5, 4, topk=3, tau=0.07, reach=12)
    direct = Direct(xy, 8, SoftArgmax())
    for t in range(1, 5):
        handed, matched = recurrent.step(maps[0], maps[t]), direct.step(maps[0], maps[t])
        torch.testing.assert_close(handed.xy, xy + torch.tensor([8.0 * t, 0.0]), atol=2, rtol=0)
    assert (matched.xy - handed.xy).norm() > 8  # at a right angle, nothing is left to match


def test_labels_move_at_most_the_search_radius() -> None:
    maps = drifting(6)
    xy = torch.tensor([[12.0, 28.0]])
    bound = Recurrent(xy, 8, 1.5, 4, topk=1, tau=0.07, reach=0.5)
    free = Recurrent(xy, 8, 1.5, 4, topk=1, tau=0.07, reach=12)
    for t in range(1, 6):
        held, gone = bound.step(maps[0], maps[t]), free.step(maps[0], maps[t])
    torch.testing.assert_close(gone.xy, torch.tensor([[52.0, 28.0]]), atol=1e-3, rtol=0)
    assert (held.xy - gone.xy).norm() > 8


def test_a_lost_label_stays_where_it_was() -> None:
    """All cells of the next frame match one of two cells. The label of the other cell is lost."""
    query = F.normalize(noise(4, 4, 16), dim=-1)
    recurrent = Recurrent(torch.tensor([[12.0, 12.0], [28.0, 28.0]]), 8, 1.5, 4, topk=1, tau=0.07, reach=12)
    found = recurrent.step(query, query[1, 1].expand(4, 4, -1))
    assert found.xy[1].tolist() == [28, 28]
    assert found.score[1] == -1 and found.score[0] == pytest.approx(1)


def test_the_match_with_the_higher_score_is_used() -> None:
    class Fixed:
        def __init__(self, x: float, scores: list[float]) -> None:
            self._found = Found(torch.full((2, 2), x), torch.tensor(scores))

        def step(self, query: Tensor, frame: Tensor) -> Found:
            return self._found

    found = Either(Fixed(1.0, [0.9, 0.2]), Fixed(2.0, [0.5, 0.4])).step(torch.empty(0), torch.empty(0))
    assert found.xy[:, 0].tolist() == [1, 2]
    torch.testing.assert_close(found.score, torch.tensor([0.9, 0.4]))


def clips(count: int) -> list[Tensor]:
    return [noise(4, 3, 64, 64, seed=seed) for seed in range(count)]


def test_calibration_finds_position_in_the_features() -> None:
    biased, clean = Patches(leak=2.0), Patches()
    place = encode_frames(biased, clips(1)[0]) - encode_frames(clean, clips(1)[0])
    found = calibrate(biased, clips(200))
    assert (found.mean - place).abs().max() < 0.4
    images = noise(3, 3, 64, 64, seed=999)
    left, true = found(encode_frames(biased, images)), encode_frames(clean, images)
    assert F.cosine_similarity(left, true, dim=-1).min() > 0.97


def test_large_components_are_dropped_and_others_whitened() -> None:
    class Stretched(Patches):
        """Two directions have 116 times the variance of the others."""

        def patch_features(self, video: Tensor) -> Tensor:
            return super().patch_features(video) * torch.tensor([10.0, 4.0, 1.0, 1.0, 1.0, 1.0])

    encoder = Stretched(channels=6)
    dropped, whitened = (calibrate(encoder, clips(60), drop=1, whiten=whiten) for whiten in (False, True))
    assert dropped.basis is not None and dropped.basis.shape == (6, 5)
    assert dropped.basis[0].abs().max() < 0.1
    maps = encode_frames(encoder, noise(4, 3, 64, 64, seed=5))
    spread = []
    for correction in (dropped, whitened):
        variance = correction(maps).flatten(0, 2).T.cov().diagonal()
        spread.append(float(variance.max() / variance.min()))
    assert spread[0] > 10
    assert spread[1] < 2


def test_corrections_suit_clips_of_fewer_frames() -> None:
    maps = noise(2, 8, 8, 5)
    mean = noise(4, 8, 8, 5, seed=1)
    torch.testing.assert_close(Debias(mean)(maps), maps - mean[:2])
    with pytest.raises(ValueError, match="at least one clip"):
        calibrate(Patches(), [])


def test_similarities_are_cosines() -> None:
    maps = F.normalize(noise(3, 5, 8), dim=-1)
    found = similarity(maps[1, 2][None], maps)
    assert found.shape == (1, 3, 5)
    torch.testing.assert_close(found[0, 1, 2], torch.tensor(1.0))
    torch.testing.assert_close(found[0, 2, 4], maps[1, 2] @ maps[2, 4])
