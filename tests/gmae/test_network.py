from __future__ import annotations

import pytest
import torch

from tests.gmae.nets import TINY, network
from tests.shared.configured import changed
from vgmae_bench.gmae.gaussians import View
from vgmae_bench.gmae.network import SIZES
from vgmae_bench.videogmae.network import Encoded


def image(seed: int = 0) -> torch.Tensor:
    return torch.randn(1, 3, 1, 32, 32, generator=torch.Generator().manual_seed(seed))


@pytest.mark.parametrize("mask_ratio", [0.0, 0.5, 0.75])
def test_as_many_gaussians_as_queries_whatever_is_masked(mask_ratio: float) -> None:
    model = network()
    raw = model.decode(model.encode(image(), mask_ratio, torch.arange(16)[None]))
    assert raw.shape == (1, 1, 36, 14)


@pytest.mark.parametrize(("position", "expected"), [("own", [1, 3]), ("previous", [0, 2])])
def test_latents_get_the_position_codes_of_the_setting(position: str, expected: list[int]) -> None:
    """Patch i has row 1 + i of the table, whose first row is zero. With the off-by-one, patch i has row i."""
    model = network(changed(TINY, latent_position=position, class_token="dropped"))
    kept = torch.tensor([[0, 2]])
    latent = torch.zeros(1, 2, 32)
    context = model._context(Encoded(latent, kept, torch.ones(1, 16, dtype=torch.bool)))
    torch.testing.assert_close(context - model.decoder_embed(latent), model.decoder_pos_embed[:, expected])
    assert not model.decoder_pos_embed[:, 0].any()
    assert model.decoder_pos_embed[:, 1:].any(dim=-1).all()


def test_the_class_token_is_decoded_unless_it_is_dropped() -> None:
    for class_token, latents in (("decoded", 17), ("dropped", 16)):
        model = network(changed(TINY, class_token=class_token))
        assert model._context(model.encode(image())).shape == (1, latents, 32)


def test_an_image_is_a_clip_of_one_frame_at_the_places_of_an_image_mae() -> None:
    model = network()
    assert model.pos_embed_t.shape[1] == 1
    assert not model.pos_embed_t.any()


def projected(view: View, raw: torch.Tensor, size: int) -> torch.Tensor:
    from vgmae_bench.splatting import project

    made = view.gaussians(raw)
    camera = view.camera_for(size, size, made.means)
    arrays = (made.means[0, 0], made.quats[0], made.scales[0])
    return project(*arrays, camera.viewmat, camera.K, size, size).means2d


def test_ranges_and_cameras_determine_the_visible_region() -> None:
    """With the released pair, centres stay within 16 pixels of the middle. Other settings reach all borders."""
    corners = torch.cartesian_prod(*[torch.tensor([-30.0, 30.0])] * 3)
    raw = torch.zeros(1, 1, 8, 14)
    raw[0, 0, :, :3] = corners
    released = projected(View(mean_range="unit", camera="far"), raw, 224)
    assert 15 < (released - 112).abs().max() <= 16.001
    for view in (View(), View(mean_range="unit", camera="box")):
        found = projected(view, raw, 224)
        assert found.min() <= 1e-3
        assert found.max() >= 224 - 1e-3


def test_pictures_of_any_shape_show_the_same() -> None:
    raw = network()(image()) + 0.3 * torch.randn(1, 1, 36, 14, generator=torch.Generator().manual_seed(1))
    square = projected(View(), raw, 32) / 32
    made = View().gaussians(raw)
    from vgmae_bench.splatting import project

    camera = View().camera_for(20, 50, made.means)
    flat = project(made.means[0, 0], made.quats[0], made.scales[0], camera.viewmat, camera.K, 20, 50).means2d
    torch.testing.assert_close(flat / torch.tensor([50, 20]), square)


def test_the_largest_scale() -> None:
    raw = torch.full((1, 1, 2, 14), 30.0)
    assert View(scale_factor=0.5).gaussians(raw).scales.max() == pytest.approx(0.5)


def test_sizes() -> None:
    assert (SIZES["base"].embed_dim, SIZES["base"].decoder_attention) == (768, "bidirectional")
    assert SIZES["large"].depth == 24
