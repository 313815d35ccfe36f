"""Content of the decoder's queries: the encoder's tokens at each Gaussian's anchor.

Our addition (`NetworkConfig.query_content`). The paper's queries are free vectors. Attention must then learn to compare the
tokens of one place in two frames before anything can move. Small networks do not learn this.
"""

from __future__ import annotations

from typing import Literal

import torch
from torch import Tensor, nn

QueryContent = Literal["learned", "gathered", "gated"]

PRODUCTS = 256
"""Number of products of two linear maps in a "gated" query."""


class AnchorTokens(nn.Module):
    """Combines the tokens at an anchor in all frames.

    "gathered" is one linear map of the concatenated tokens at the anchor. "gated" adds a map of products of two linear maps.
    Products relate two images (Memisevic and Hinton, Neural Computation 22(6), 2010): a sum of two tokens shows their content,
    a product shows how they differ.

    Arguments:
        content: "gathered" or "gated".
        width: width of the tokens, De.
        query_width: width of the queries, Dd.
        num_frames: T.
        cells: int64 [G], the patch that contains each anchor, in raster order within a frame.
        patches: number of patches in a frame.
    """

    cells: Tensor

    def __init__(
        self, content: QueryContent, width: int, query_width: int, num_frames: int, cells: Tensor, patches: int
    ) -> None:
        super().__init__()
        self._frames, self._patches = num_frames, patches
        self.register_buffer("cells", cells, persistent=False)
        self.linear = nn.Linear(num_frames * width, query_width, bias=False)
        if not self.linear.weight.is_meta:
            nn.init.orthogonal_(self.linear.weight, gain=num_frames**0.5)
        self.gates = nn.Linear(num_frames * width, 2 * PRODUCTS) if content == "gated" else None
        self.products = nn.Linear(PRODUCTS, query_width) if content == "gated" else None

    def forward(self, latent: Tensor, kept: Tensor) -> Tensor:
        """[B, G, Dd] from latents [B, n, De] and their token numbers, int64 [B, n]. Hidden tokens count as zeros."""
        B, _, width = latent.shape
        tokens = latent.new_zeros(B, self._frames * self._patches, width)
        tokens = tokens.scatter(1, kept[..., None].expand(-1, -1, width), latent)
        at_anchor = tokens.unflatten(1, (self._frames, self._patches))[:, :, self.cells].transpose(1, 2).flatten(2)
        said: Tensor = self.linear(at_anchor)
        if self.gates is not None and self.products is not None:
            one, other = self.gates(at_anchor).chunk(2, dim=-1)
            said = said + self.products(one * other)
        return said


def anchor_colours(video: Tensor, seen: Tensor, count: int) -> Tensor:
    """The mean colour around each anchor in the first frame, [B, G, 3] in [0, 1]; grey if the patch there is hidden.

    Arguments:
        video: [B, 3, S, S], RGB in [0, 1]: the first frame.
        seen: bool [B, grid, grid], True for the patches that the encoder sees.
        count: G, a square number. Anchors are the centres of a square grid of cells.
    """
    side = round(count**0.5)
    shown = torch.nn.functional.interpolate(seen[:, None].to(video.dtype), video.shape[2:])
    visible = torch.nn.functional.adaptive_avg_pool2d(shown, side)
    colours = torch.nn.functional.adaptive_avg_pool2d(video * shown, side) / visible.clamp(min=1e-6)
    return torch.where(visible > 0, colours, 0.5).flatten(2).mT
