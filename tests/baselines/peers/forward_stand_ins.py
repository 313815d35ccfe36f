"""Stand-ins of peers that process later frames, pairs of frames, or single frames."""

from __future__ import annotations

from pathlib import Path

ALLTRACKER = """
import torch
import utils.misc

class Net(torch.nn.Module):
    def __init__(self, seqlen, init_weights=True, use_basicencoder=False, no_split=False):
        super().__init__()
        assert seqlen == 16 and not init_weights
        self.drawn = torch.nn.Parameter(torch.rand(3))

    def forward(self, images, iters):
        images = images.cuda()
        assert images.shape[2] == 3 and images.max() > 1
        length, height, width = images.shape[1], *images.shape[3:]
        flow = torch.zeros(1, length, 2, height, width)
        flow[0, :, 0] = torch.arange(length)[:, None, None] * width / 48
        sure = torch.full_like(flow, 0.8)
        sure[0, :, 1] = 0.7 if iters == 4 else 0.9
        return (flow[:, 1], sure[:, 1], [], []) if length == 2 else (flow, sure, [], [])

    def forward_sliding(self, images, iters):
        flow, sure, *_ = self(images, iters)
        return flow, torch.zeros_like(sure), [], []
"""
TAPNEXT = """
import torch
from tapnet.torch import utils

class TAPNext(torch.nn.Module):
    def __init__(self, image_size):
        super().__init__()
        assert tuple(image_size) == (256, 256)
        self.drawn = torch.nn.Parameter(torch.empty(3))

    def forward(self, video, query_points=None, state=None):
        assert video.shape[:2] == (1, 1) and video.shape[4] == 3 and video.min() >= -1 and video.max() <= 1
        step, asked, sides = state or (0, query_points, [])
        sides = [*sides, video.shape[2]]
        assert len(set(sides)) == 1
        since = (step - asked[..., 0])[:, None, :, None]
        yx = asked[:, None, :, 1:] + torch.cat([0 * since, since * 256 / 48], dim=-1)
        return yx, None, torch.where(since < 0, -1.0, 1.0), (step + 1, asked, sides)
"""
RESTORE = """
import numpy as np
import torch

def restore_model_from_jax_checkpoint(model, path):
    model.drawn.data.copy_(torch.tensor(np.load(path)["backbone/drawn"]))
    return model
"""
RAFT = """
import torch
from utils.utils import STEP

class RAFT(torch.nn.Module):
    def __init__(self, args):
        super().__init__()
        assert not args.small
        self.drawn = torch.nn.Parameter(torch.rand(3))

    def forward(self, first, second, iters, test_mode):
        assert test_mode and first.max() > 1 and all(side % 8 == 0 and side >= 128 for side in first.shape[2:])
        later = torch.sign(second[:, 1].mean() - first[:, 1].mean())
        flow = torch.zeros_like(first[:, :2])
        flow[:, 0] = later * STEP
        return None, flow
"""
DINOV2 = """
import torch
from torch.nn.functional import unfold

class ViT(torch.nn.Module):
    def __init__(self, patch_size, **settings):
        super().__init__()
        assert patch_size == 14 and settings.pop("block_chunks") == 0
        self.drawn = torch.nn.Parameter(torch.rand(3))

    def forward_features(self, images):
        return {"x_norm_patchtokens": unfold(images, 14, stride=14).transpose(1, 2)}

vit_small = vit_base = vit_large = vit_giant2 = ViT
"""
FILES = {
    "alltracker": {"nets/alltracker.py": ALLTRACKER, "utils/misc.py": ""},
    "RAFT": {"core/raft.py": RAFT, "core/utils/utils.py": "STEP = 1.0\n"},
    "dinov2": {"dinov2/models/vision_transformer.py": DINOV2},
    "tapnet": {
        "tapnet/tapnext/tapnext_torch.py": TAPNEXT,
        "tapnet/tapnext/tapnext_torch_utils.py": RESTORE,
    },
}


def lay_out(root: Path) -> dict[str, str]:
    """Write the checkouts; returns the environment that names them."""
    for name, files in FILES.items():
        for path, text in files.items():
            (root / name / path).parent.mkdir(parents=True, exist_ok=True)
            (root / name / path).write_text(text)
    return {f"VGMAE_BENCH_CHECKOUT_{name.upper()}": str(root / name) for name in FILES}
