"""Tables of position codes, attention, and initial weights."""

import numpy as np
import torch
import torch.nn.functional as F

from tests.videogmae.test_network import small
from vgmae_bench.models.nn import CORRELATION, SHORT, attend, sincos_1d, sincos_2d, sincos_3d, sincos_points


def test_1d_is_sines_then_cosines_of_falling_frequencies() -> None:
    table = sincos_1d(np.array([0, 3]), 8)
    np.testing.assert_allclose(table[0], [0, 0, 0, 0, 1, 1, 1, 1])
    angles = 3 * 10000.0 ** -np.array([0, 0.25, 0.5, 0.75])
    np.testing.assert_allclose(table[1], [*np.sin(angles), *np.cos(angles)])


def test_2d_encodes_the_column_first() -> None:
    table = sincos_2d(3, 8).reshape(3, 3, 8)
    assert (table[0, :, :4] == table[2, :, :4]).all()  # the same column in other rows
    assert (table[:, 0, 4:] == table[:, 2, 4:]).all()  # the same row in other columns
    np.testing.assert_allclose(table[1, 2], [*sincos_1d(np.array([2]), 4)[0], *sincos_1d(np.array([1]), 4)[0]])


def test_points_between_cells_have_codes_too() -> None:
    found = sincos_points(np.array([2, 0.5]), np.array([1, 2.25]), 8)
    np.testing.assert_array_equal(found[0], sincos_2d(3, 8)[5])
    np.testing.assert_allclose(found[1], [*sincos_1d(np.array([0.5]), 4)[0], *sincos_1d(np.array([2.25]), 4)[0]])


def test_3d_spends_a_quarter_on_time() -> None:
    table = sincos_3d(2, 3, 16).reshape(2, 9, 16)
    np.testing.assert_array_equal(table[0, :, 4:], sincos_2d(3, 12))
    np.testing.assert_array_equal(table[1, :, 4:], sincos_2d(3, 12))
    np.testing.assert_array_equal(table[1, :, :4], np.tile(sincos_1d(np.array([1]), 4), (9, 1)))


def test_attention_in_bfloat16_learns_what_torchs_attention_learns() -> None:
    """Short sequences take another path, in which only rounding differs."""
    for length in (24, SHORT + 8):
        q, k, v = torch.randn(3, 2, 3, length, 8, generator=torch.Generator().manual_seed(0)).unbind()
        exact = [array.clone().requires_grad_() for array in (q, k, v)]
        rough = [array.bfloat16().requires_grad_() for array in (q, k, v)]
        wanted, found = F.scaled_dot_product_attention(*exact), attend(*rough)
        assert found.dtype == torch.bfloat16
        torch.testing.assert_close(found.float(), wanted, rtol=0, atol=0.03)
        wanted.square().sum().backward()
        found.float().square().sum().backward()
        for one, other in zip(rough, exact, strict=True):
            assert one.grad is not None and other.grad is not None
            torch.testing.assert_close(one.grad.float(), other.grad, rtol=0, atol=0.05)


def test_masks_of_attention_hold_in_bfloat16() -> None:
    q, k, v = torch.randn(3, 1, 1, 6, 4, generator=torch.Generator().manual_seed(0)).bfloat16().unbind()
    q.requires_grad_()
    wanted = F.scaled_dot_product_attention(q, k, v, is_causal=True)
    assert torch.equal(attend(q, k, v, causal=True), wanted)
    assert torch.equal(attend(q, k, v, torch.ones(6, 6, dtype=torch.bool).tril()), wanted)


def test_queries_equal_keys_and_heads_are_isometries() -> None:
    model = small(attention_start="similar")
    for block in (*model.blocks, *model.decoder_blocks):
        query, key, value = block.attn.qkv.weight.detach().chunk(3)
        assert torch.equal(query, key) and not torch.equal(query, value)
        for head in query.chunk(block.attn.heads):
            torch.testing.assert_close(head @ head.mT, torch.eye(len(head)), atol=1e-5, rtol=0)


def test_tokens_attend_to_similar_tokens() -> None:
    block = small(attention_start="similar").blocks[0]
    tokens = torch.randn(1, 6, 32, generator=torch.Generator().manual_seed(0))
    tokens[:, 3] = tokens[:, 0]
    query, key, _ = block.attn.qkv(block.norm1(tokens)).chunk(3, dim=-1)
    similarity = (query @ key.mT)[0]
    assert set(similarity[0].topk(2).indices.tolist()) == {0, 3}


def test_whitened_patches_show_fine_differences_as_strongly_as_the_mean_colour() -> None:
    """For patches of a Markov image, all components of the embedding have equal strength, except for noise."""
    weight = (
        small(patch_start="whitened", embed_dim=64, num_heads=4).patch_embed.proj.weight.detach().flatten(1).double()
    )
    along = CORRELATION ** (torch.arange(4)[:, None] - torch.arange(4)).abs().double()
    colours = torch.full((3, 3), CORRELATION, dtype=torch.float64).fill_diagonal_(1)
    covariance = torch.kron(colours, torch.kron(along, along))
    strength = torch.linalg.svdvals(weight @ covariance @ weight.T)[:48]
    assert strength[0] < 1.01 and strength.median() > 0.5
    plain = small(embed_dim=64, num_heads=4).patch_embed.proj.weight.detach().flatten(1).double()
    weaker = torch.linalg.svdvals(plain @ covariance @ plain.T)[:48]
    assert weaker.median() / weaker[0] < 0.01
    assert strength[-1] / strength[0] > 30 * weaker[-1] / weaker[0]


def test_wide_patches_keep_their_strongest_components() -> None:
    weight = small(patch_start="whitened", embed_dim=32).patch_embed.proj.weight.detach().flatten(1)
    mean_colour = torch.ones(48) / 48**0.5
    assert (weight @ mean_colour).norm() > 0.1
    assert torch.linalg.matrix_rank(weight) == 32


def test_networks_can_be_made_on_the_meta_device() -> None:
    with torch.device("meta"):
        model = small(attention_start="similar", patch_start="whitened", gaussian_start="grid")
    assert all(parameter.is_meta for parameter in model.parameters())
