"""Video-GMAE: a masked autoencoder that represents a clip by moving 3-D Gaussians, and tracking with these Gaussians."""

from __future__ import annotations

from vgmae_bench.specs import MethodSpec

SPEC = MethodSpec(
    name="videogmae",
    tracker="vgmae_bench.videogmae.tracker:VideoGMAETracker",
    summary="Tracks points by the motion of predicted 3-D Gaussians, zero-shot, or by a readout trained on top.",
    direction="forward",
    weights={
        "masked-32px": "weights/masked-32px.safetensors",
        "masked-32px-readout": "weights/masked-32px-readout.safetensors",
        "tiny": "weights/tiny.safetensors",
        "tiny-readout": "weights/tiny-readout.safetensors",
    },
    small_weights=("masked-32px", "masked-32px-readout", "tiny", "tiny-readout"),
    default_weights="masked-32px",
    importer="vgmae_bench.videogmae.release:import_weights",
    trainer="vgmae_bench.videogmae.pretrain:Pretraining",
    finetuner="vgmae_bench.videogmae.finetune:finetuning",
    encoder="vgmae_bench.videogmae.probed:probed",
    configs="configs",
    key_settings=("readout", "variant", "refine_steps", "preset", "precision"),
    paper="Baranwal, Singh, Rajasegaran, Malik: Tracking by Predicting 3-D Gaussians Over Time. arXiv 2512.22489",
    citation=(
        "@article{baranwal2025tracking, title={Tracking by Predicting 3-D Gaussians Over Time}, author={Baranwal "
        "and Singh and Rajasegaran and Malik}, journal={arXiv:2512.22489}, year={2025}}"
    ),
    licence="Apache-2.0, written from the paper; the official code (tekotan/video-gmae) has no licence",
)
