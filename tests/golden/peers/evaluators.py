"""The peers' own evaluators, run on seeded random weights. They want libraries that nothing here uses: these are empty."""

from __future__ import annotations

import sys
import tempfile
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from typing import Any
from unittest.mock import MagicMock, patch

import numpy as np
import torch

from tests.golden.peers.scene import Scene
from vgmae_bench.checkouts import Checkout

SEED = 3
NOT_USED = (
    *("tensorflow", "tensorflow_datasets", "mediapy", "torch.utils.tensorboard", "imageio", "absl", "absl.logging"),
    *("chex", "jax", "jax.numpy"),
)
Arrays = dict[str, Any]


@contextmanager
def without_unused() -> Iterator[None]:
    """Modules that the evaluators import for readers of datasets and for pictures."""
    with patch.dict(sys.modules, {name: MagicMock() for name in NOT_USED if name not in sys.modules}):
        yield


def tapir(scene: Scene, *, boots: bool) -> Arrays:
    """The PyTorch model as its live demo asks it, and the metrics of the evaluation datasets. It has no other evaluator."""
    found = Checkout("google-deepmind/tapnet@c2cbab8")
    with without_unused():
        metrics = found.module("tapnet.tapvid.evaluation_datasets").compute_tapvid_metrics
    make = found.module("tapnet.torch.tapir_model").TAPIR
    torch.manual_seed(SEED)
    temperature = {"softmax_temperature": 10.0} if boots else {}
    network = make(pyramid_level=int(boots), extra_convs=boots, **temperature).eval()
    video = torch.from_numpy(scene.frames)[None].float() / 255 * 2 - 1
    tyx = np.concatenate([scene.frame[:, None], scene.queries[:, ::-1]], axis=1).astype(np.float32)[None]
    with torch.inference_mode():
        out = network(video, torch.from_numpy(tyx), query_chunk_size=64)
    visible = (1 - torch.sigmoid(out["occlusion"])) * (1 - torch.sigmoid(out["expected_dist"])) > 0.5
    return _packed(out["tracks"][0], visible[0], lambda *told: metrics(tyx, *told, "first"), scene)


def locotrack(scene: Scene) -> Arrays:
    """Its validation step: the network, then `eval_batch` at the clip's own size."""
    found = Checkout("cvlab-kaist/locotrack@3385a23:locotrack_pytorch")
    with without_unused():
        evaluate = found.module("model_utils").eval_batch
    make = found.module("models.locotrack_model").LocoTrack
    torch.manual_seed(SEED)
    network = make(model_size="small", num_pips_iter=4).eval()
    tyx = np.concatenate([scene.frame[:, None], scene.queries[:, ::-1]], axis=1).astype(np.float32)[None]
    batch = {
        "video": torch.from_numpy(scene.frames)[None].float() / 255 * 2 - 1,
        "query_points": torch.from_numpy(tyx),
        "target_points": torch.from_numpy(scene.tracks)[None],
        "occluded": torch.from_numpy(scene.occluded)[None],
    }
    with torch.inference_mode():
        asked = {"query_chunk_size": 256, "refinement_resolutions": ((256, 256),)}
        out = network(batch["video"], batch["query_points"], **asked)
        told = evaluate(batch, out, eval_metrics_resolution=scene.frames.shape[1:3], query_first=True)
    sure = (1 - torch.sigmoid(out["occlusion"])) * (1 - torch.sigmoid(out["expected_dist"]))
    return _packed(out["tracks"][0], sure[0] > 0.5, lambda *_: told, scene)


def cotracker(scene: Scene, *, offline: bool, single: bool) -> Arrays:
    """`Evaluator.evaluate_sequence` on a sample of its own class."""
    found = Checkout("facebookresearch/co-tracker@82e02e8")
    with without_unused():
        module = found.module("cotracker.evaluation.core.evaluator")
        sample_class = found.module("cotracker.datasets.utils").CoTrackerData
    build = found.module("cotracker.models.build_cotracker").build_cotracker
    torch.manual_seed(SEED)
    network = build(None, offline=offline, window_len=60 if offline else 16)
    predictor = found.module("cotracker.models.evaluation_predictor").EvaluationPredictor(network, single_point=single)
    sample = sample_class(
        video=torch.from_numpy(scene.frames).permute(0, 3, 1, 2)[None].float(),
        trajectory=torch.from_numpy(scene.tracks).transpose(0, 1)[None],
        visibility=~torch.from_numpy(scene.occluded).T[None],
        seq_name=["clip"],
        query_points=torch.from_numpy(np.column_stack([scene.frame, scene.queries[:, ::-1]]))[None].float(),
    )
    kept: list[Any] = []
    with tempfile.TemporaryDirectory() as folder, patch.object(module, "Visualizer", MagicMock()):
        evaluator = module.Evaluator(folder)
        own = evaluator.compute_metrics
        evaluator.compute_metrics = lambda told, given, answer, name: (
            kept.append(answer),
            own(told, given, answer, name),
        )
        told = evaluator.evaluate_sequence(predictor, [sample], "tapvid_davis_first")["clip"]
    tracks, score = kept[0]
    visible = score if score.dtype == torch.bool else score > 0.6
    return _packed(tracks[0].transpose(0, 1), visible[0].T, lambda *_: told, scene)


def _packed(tracks: Any, visible: Any, metrics: Callable[..., Any], scene: Scene) -> Arrays:
    xy, seen = tracks.float().numpy(), visible.numpy()
    told = metrics(scene.occluded[None], scene.tracks[None], ~seen[None], xy[None])
    return {"tracks": xy, "visible": seen} | {name: np.asarray(value).reshape(()) for name, value in told.items()}


EVALUATORS: dict[str, Callable[[Scene], Arrays]] = {
    "tapir": lambda scene: tapir(scene, boots=False),
    "bootstapir": lambda scene: tapir(scene, boots=True),
    "locotrack": locotrack,
    "cotracker3-single": lambda scene: cotracker(scene, offline=True, single=True),
    "cotracker3-joint": lambda scene: cotracker(scene, offline=True, single=False),
    "cotracker3-online": lambda scene: cotracker(scene, offline=False, single=False),
}
