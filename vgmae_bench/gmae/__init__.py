"""GMAE: a masked autoencoder that represents an image by 3-D Gaussians, and read-outs of their depth without training."""

from __future__ import annotations

from vgmae_bench.specs import MethodSpec

SPEC = MethodSpec(
    name="gmae",
    summary="Represents an image by 3-D Gaussians: layers, figure and ground, outlines (explore, spatial). Does not track.",
    weights={"tiny": "weights/tiny.safetensors"},
    default_weights="tiny",
    importer="vgmae_bench.videogmae.release:import_weights",
    trainer="vgmae_bench.gmae.pretrain:Pretraining",
    explorer="vgmae_bench.gmae.explorer:GMAEExplorer",
    encoder="vgmae_bench.gmae.probed:probed",
    configs="configs",
    key_settings=("order", "figure_share", "figure_threshold", "edge_layers", "edge_rule"),
    paper="Rajasegaran, Chen, Li, Feichtenhofer, Malik, Ginosar: Gaussian Masked Autoencoders. arXiv 2501.03229",
    citation=(
        "@article{rajasegaran2025gaussian, title={Gaussian Masked Autoencoders}, author={Rajasegaran and Chen and "
        "Li and Feichtenhofer and Malik and Ginosar}, journal={arXiv:2501.03229}, year={2025}}"
    ),
    licence="Apache-2.0, written from the paper; no official code was released",
)
