"""Checkouts with the modules and signatures of the peers, and networks that shift points by a pixel a frame."""

from __future__ import annotations

from pathlib import Path

from tests.baselines.peers import forward_stand_ins

UTILS = "OWNER = {owner!r}\n"
MATCHER = """
import torch
from {package} import utils

class {name}(torch.nn.Module):
    def __init__(self, {settings}):
        super().__init__()
        self.owner, self.temperature = utils.OWNER, {temperature}
        self.drawn = torch.nn.Parameter(torch.rand(3))

    def forward(self, video, query_points, query_chunk_size=None, **others):
        assert utils.OWNER == {owner!r}
        assert video.shape[-1] == 3 and video.min() >= -1 and video.max() <= 1
        since = torch.arange(video.shape[1]) - query_points[..., 0, None]
        tracks = torch.stack([query_points[..., 2, None] + since, query_points[..., 1, None] + 0 * since], dim=-1)
        logit = torch.where(since < 0, 4.0, -4.0)
        return {{"tracks": tracks, "occlusion": logit, "expected_dist": torch.full_like(logit, -9.0)}}
"""
COTRACKER = """
import torch

torch.manual_seed(0)

class Network(torch.nn.Module):
    window_len = 16

    def __init__(self, offline, window_len):
        super().__init__()
        self.offline, self.window_len = offline, window_len
        self.drawn = torch.nn.Parameter(torch.rand(3))

def build_cotracker(checkpoint, offline=True, window_len=None):
    return Network(offline, window_len)
"""
EVALUATION = """
import torch

class EvaluationPredictor(torch.nn.Module):
    def __init__(self, model, interp_shape=(384, 512), grid_size=5, local_grid_size=8, single_point=True):
        super().__init__()
        self.model, self.single_point = model, single_point

    def forward(self, video, queries):
        assert video.shape[2] == 3 and video.max() > 1
        since = torch.arange(video.shape[1])[None, :, None] - queries[:, None, :, 0]
        xy = torch.stack([queries[:, None, :, 1] + since, queries[:, None, :, 2] + 0 * since], dim=-1)
        return xy, torch.where(since < 0, 0.59, 0.61)
"""
ONLINE = """
import torch
from cotracker.models.evaluation_predictor import EvaluationPredictor

class CoTrackerOnlinePredictor(torch.nn.Module):
    def __init__(self, checkpoint="x"):
        super().__init__()
        assert checkpoint is None
        self.seen = 0

    def forward(self, video_chunk, is_first_step=False, queries=None, grid_size=5):
        if is_first_step:
            self.queries = queries
            return None, None
        self.seen = max(self.seen - self.step, 0) + video_chunk.shape[1]
        xy, score = EvaluationPredictor(None)(torch.full((1, self.seen, 3, 2, 2), 9.0), self.queries)
        return xy, score > 0.6
"""


def lay_out(root: Path) -> dict[str, str]:
    """Write the checkouts; returns the environment that names them."""
    tapnet, locotrack, cotracker = root / "tapnet", root / "locotrack", root / "co-tracker"
    matchers = (
        (tapnet / "tapnet" / "torch", "tapir_model", "TAPIR", "tapnet.torch", "softmax_temperature"),
        (locotrack / "locotrack_pytorch" / "models", "locotrack_model", "LocoTrack", "models", ""),
    )
    for folder, module, name, package, temperature in matchers:
        folder.mkdir(parents=True)
        settings = "pyramid_level, extra_convs, softmax_temperature" if temperature else "model_size, num_pips_iter"
        text = MATCHER.format(
            package=package, name=name, owner=name, settings=settings, temperature=temperature or None
        )
        (folder / f"{module}.py").write_text(text)
        (folder / "utils.py").write_text(UTILS.format(owner=name))
    models = cotracker / "cotracker" / "models"
    models.mkdir(parents=True)
    (models / "build_cotracker.py").write_text(COTRACKER)
    (models / "evaluation_predictor.py").write_text(EVALUATION)
    (models.parent / "predictor.py").write_text(ONLINE)
    folders = {"TAPNET": tapnet, "LOCOTRACK": locotrack, "CO_TRACKER": cotracker}
    named = {f"VGMAE_BENCH_CHECKOUT_{name}": str(folder) for name, folder in folders.items()}
    return named | forward_stand_ins.lay_out(root)
