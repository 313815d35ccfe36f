"""The peers' own evaluators, run on seeded random weights. They want libraries that nothing here uses: these are empty."""

from __future__ import annotations

import sys
import tempfile
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from functools import partial
from typing import Any, Literal
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
Mode = Literal["first", "strided"]


@contextmanager
def without_unused() -> Iterator[None]:
    """Modules that the evaluators import for readers of datasets and for pictures."""
    with patch.dict(sys.modules, {name: MagicMock() for name in NOT_USED if name not in sys.modules}):
        yield


def asked(scene: Scene, datasets: Any, mode: Mode) -> Scene:
    """The scene with the queries of a query mode. Strided ones are sampled by the peer's own module of datasets."""
    if mode == "first":
        return scene
    given = datasets.sample_queries_strided(scene.occluded, scene.tracks, scene.frames)
    sampled = Scene(scene.frames, given["query_points"][0, :, 0], given["target_points"][0], given["occluded"][0])
    np.testing.assert_array_equal(sampled.tyx, given["query_points"].astype(np.float32))
    return sampled


def tapir(scene: Scene, mode: Mode = "first", *, boots: bool = False) -> Arrays:
    """The PyTorch model as its live demo asks it, and the metrics of the evaluation datasets. It has no other evaluator."""
    found = Checkout("google-deepmind/tapnet@c2cbab8")
    with without_unused():
        datasets = found.module("tapnet.tapvid.evaluation_datasets")
    scene = asked(scene, datasets, mode)
    make = found.module("tapnet.torch.tapir_model").TAPIR
    torch.manual_seed(SEED)
    temperature = {"softmax_temperature": 10.0} if boots else {}
    network = make(pyramid_level=int(boots), extra_convs=boots, **temperature).eval()
    video = torch.from_numpy(scene.frames)[None].float() / 255 * 2 - 1
    with torch.inference_mode():
        out = network(video, torch.from_numpy(scene.tyx), query_chunk_size=64)
    visible = (1 - torch.sigmoid(out["occlusion"])) * (1 - torch.sigmoid(out["expected_dist"])) > 0.5
    return _packed(
        out["tracks"][0], visible[0], lambda *told: datasets.compute_tapvid_metrics(scene.tyx, *told, mode), scene
    )


def locotrack(scene: Scene, mode: Mode = "first") -> Arrays:
    """Its validation step: the network, then `eval_batch` at the clip's own size."""
    found = Checkout("cvlab-kaist/locotrack@3385a23:locotrack_pytorch")
    with without_unused():
        evaluate = found.module("model_utils").eval_batch
        scene = asked(scene, found.module("data.evaluation_datasets"), mode)
    make = found.module("models.locotrack_model").LocoTrack
    torch.manual_seed(SEED)
    network = make(model_size="small", num_pips_iter=4).eval()
    batch = {
        "video": torch.from_numpy(scene.frames)[None].float() / 255 * 2 - 1,
        "query_points": torch.from_numpy(scene.tyx),
        "target_points": torch.from_numpy(scene.tracks)[None],
        "occluded": torch.from_numpy(scene.occluded)[None],
    }
    with torch.inference_mode():
        how = {"query_chunk_size": 256, "refinement_resolutions": ((256, 256),)}
        out = network(batch["video"], batch["query_points"], **how)
        told = evaluate(batch, out, eval_metrics_resolution=scene.frames.shape[1:3], query_first=mode == "first")
    sure = (1 - torch.sigmoid(out["occlusion"])) * (1 - torch.sigmoid(out["expected_dist"]))
    return _packed(out["tracks"][0], sure[0] > 0.5, lambda *_: told, scene)


def cotracker(scene: Scene, mode: Mode = "first", *, offline: bool = True, single: bool = False) -> Arrays:
    """`Evaluator.evaluate_sequence` on a sample of its own class."""
    found = Checkout("facebookresearch/co-tracker@82e02e8")
    with without_unused():
        module = found.module("cotracker.evaluation.core.evaluator")
        sample_class = found.module("cotracker.datasets.utils").CoTrackerData
        scene = asked(scene, found.module("cotracker.datasets.tap_vid_datasets"), mode)
    build = found.module("cotracker.models.build_cotracker").build_cotracker
    torch.manual_seed(SEED)
    network = build(None, offline=offline, window_len=60 if offline else 16)
    predictor = found.module("cotracker.models.evaluation_predictor").EvaluationPredictor(network, single_point=single)
    sample = sample_class(
        video=torch.from_numpy(scene.frames).permute(0, 3, 1, 2)[None].float(),
        trajectory=torch.from_numpy(scene.tracks).transpose(0, 1)[None],
        visibility=~torch.from_numpy(scene.occluded).T[None],
        seq_name=["clip"],
        query_points=torch.from_numpy(scene.tyx),
    )
    kept: list[Any] = []
    with tempfile.TemporaryDirectory() as folder, patch.object(module, "Visualizer", MagicMock()):
        evaluator = module.Evaluator(folder)
        own = evaluator.compute_metrics
        evaluator.compute_metrics = lambda told, given, answer, name: (
            kept.append(answer),
            own(told, given, answer, name),
        )
        told = evaluator.evaluate_sequence(predictor, [sample], f"tapvid_davis_{mode}")["clip"]
    tracks, score = kept[0]
    visible = score if score.dtype == torch.bool else score > 0.6
    return _packed(tracks[0].transpose(0, 1), visible[0].T, lambda *_: told, scene)


def _packed(tracks: Any, visible: Any, metrics: Callable[..., Any], scene: Scene) -> Arrays:
    xy, seen = tracks.float().numpy(), visible.numpy()
    told = metrics(scene.occluded[None], scene.tracks[None], ~seen[None], xy[None])
    return {"queries": scene.tyx[0], "tracks": xy, "visible": seen} | {
        name: np.asarray(value).reshape(()) for name, value in told.items()
    }


EVALUATORS: dict[str, Callable[[Scene], Arrays]] = {
    "tapir": tapir,
    "bootstapir": partial(tapir, boots=True),
    "locotrack": locotrack,
    "cotracker3-single": partial(cotracker, single=True),
    "cotracker3-joint": cotracker,
    "cotracker3-online": partial(cotracker, offline=False),
    "tapir-strided": partial(tapir, mode="strided"),
    "bootstapir-strided": partial(tapir, mode="strided", boots=True),
    "locotrack-strided": partial(locotrack, mode="strided"),
    "cotracker3-single-strided": partial(cotracker, mode="strided", single=True),
    "cotracker3-joint-strided": partial(cotracker, mode="strided"),
}
"""By the name of the golden. CoTracker's evaluator cannot run the online model strided: `vgmae-bench claims`."""
