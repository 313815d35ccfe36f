from __future__ import annotations

import pytest
import torch

from vgmae_bench.videogmae.gaussians.queries import AnchorTokens, QueryContent, anchor_colours

FRAMES, PATCHES, WIDTH = 3, 4, 6
CELLS = torch.tensor([0, 1, 2, 3, 3])
"""The last two Gaussians share a patch."""


def tokens_of(content: QueryContent) -> AnchorTokens:
    torch.manual_seed(0)
    return AnchorTokens(content, WIDTH, 8, FRAMES, CELLS, PATCHES)


@torch.no_grad()
@pytest.mark.parametrize("content", ["gathered", "gated"])
def test_a_query_sees_only_the_tokens_at_its_anchor(content: QueryContent) -> None:
    gathered = tokens_of(content)
    latent = torch.randn(1, FRAMES * PATCHES, WIDTH, generator=torch.Generator().manual_seed(1))
    changed = latent.clone()
    changed[0, 1 * PATCHES + 3] += 1  # the last patch of frame 1
    kept = torch.arange(FRAMES * PATCHES)[None]
    differs = (gathered(changed, kept) - gathered(latent, kept)).abs().amax(dim=2)[0] > 1e-6
    assert differs.tolist() == [False, False, False, True, True]


@torch.no_grad()
@pytest.mark.parametrize("content", ["gathered", "gated"])
def test_hidden_tokens_are_zeros_and_order_does_not_matter(content: QueryContent) -> None:
    gathered = tokens_of(content)
    latent = torch.randn(1, FRAMES * PATCHES, WIDTH, generator=torch.Generator().manual_seed(1))
    kept = torch.randperm(FRAMES * PATCHES, generator=torch.Generator().manual_seed(2))[:7]
    blank = torch.zeros_like(latent)
    blank[0, kept] = latent[0, kept]
    everything = torch.arange(FRAMES * PATCHES)[None]
    torch.testing.assert_close(gathered(latent[:, kept], kept[None]), gathered(blank, everything))


@torch.no_grad()
def test_product_features_encode_the_relation_of_two_frames() -> None:
    """With products, the effect of frame 1 depends on frame 0. Without, it does not."""
    kept = torch.arange(FRAMES * PATCHES)[None]
    first, second = torch.randn(2, WIDTH, generator=torch.Generator().manual_seed(3))

    def said(content: QueryContent, frame_0: torch.Tensor, frame_1: torch.Tensor) -> torch.Tensor:
        latent = torch.zeros(1, FRAMES * PATCHES, WIDTH)
        latent[0, 0], latent[0, PATCHES] = frame_0, frame_1
        return tokens_of(content)(latent, kept)[0, 0]

    zero = torch.zeros(WIDTH)
    for content, related in (("gathered", False), ("gated", True)):
        alone = said(content, zero, second) - said(content, zero, zero)
        together = said(content, first, second) - said(content, first, zero)
        assert torch.allclose(alone, together, atol=1e-5) is not related


def test_colours_are_those_around_the_anchors_and_grey_where_hidden() -> None:
    video = torch.zeros(1, 3, 8, 8)
    video[0, 0, :4, :4], video[0, 1, :4, 4:], video[0, 2, 4:] = 1.0, 0.6, 0.2
    seen = torch.tensor([[[True, True], [False, True]]])
    colours = anchor_colours(video, seen, 4)[0]
    wanted = torch.tensor([[1.0, 0.0, 0.0], [0.0, 0.6, 0.0], [0.5, 0.5, 0.5], [0.0, 0.0, 0.2]])
    torch.testing.assert_close(colours, wanted)
    fine = anchor_colours(video, seen, 16)[0].view(4, 4, 3)
    torch.testing.assert_close(fine[::2, ::2].flatten(0, 1), wanted)
    hidden = video.clone()
    hidden[0, :, 4:, :4] = 0.9
    torch.testing.assert_close(anchor_colours(hidden, seen, 4)[0], wanted)
