"""GMAE: a masked autoencoder that sees an image as 3-D Gaussians, and what their depth tells without any training."""

from __future__ import annotations

from vgmae_bench.plugins import TrackerSpec

SPEC = TrackerSpec(
    name="gmae",
    factory="",  # an image model: it tracks nothing
    summary="Sees an image as 3-D Gaussians: layers, figure and ground, outlines (explore, spatial). Does not track.",
    weights={"tiny": "weights/tiny.safetensors"},
    default_weights="tiny",
    importer="vgmae_bench.videogmae.release:import_weights",
    trainer="vgmae_bench.gmae.pretrain:Pretraining",
    explorer="vgmae_bench.gmae.explorer:GMAEExplorer",
    encoder="vgmae_bench.gmae.probed:probed",
    configs="configs",
    paper="Rajasegaran, Chen, Li, Feichtenhofer, Malik, Ginosar: Gaussian Masked Autoencoders. arXiv 2501.03229",
    licence="Apache-2.0, written from the paper; no official code was released",
)
