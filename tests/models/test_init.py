from __future__ import annotations

import torch

from tests.videogmae.test_network import small
from vgmae_bench.models.init import CORRELATION


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


def test_networks_are_made_on_the_meta_device_to_be_loaded_into() -> None:
    with torch.device("meta"):
        model = small(attention_start="similar", patch_start="whitened", gaussian_start="grid")
    assert all(parameter.is_meta for parameter in model.parameters())
