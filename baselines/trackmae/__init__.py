"""TrackMAE: a masked video autoencoder that also predicts point tracks. VideoMAE is the same network without tracks.

Trainings here are "TrackMAE-style, teacher: …", because the authors report no point tracking. An unrelated tracker has
sometimes the same name (MCG-NJU/MixFormer, issue 106).
"""

from dataclasses import replace

from vgmae_bench import MethodSpec

SPEC = MethodSpec(
    name="trackmae",
    tracker="vgmae_baselines.trackmae.tracker:TrackMAETracker",
    summary="Masked video modelling with point tracks as a second target; tracks by predicted motion, features or a readout.",
    direction="forward",
    weights={"tiny": "weights/trackmae-tiny.safetensors", "tiny-readout": "weights/trackmae-tiny-readout.safetensors"},
    small_weights=("tiny", "tiny-readout"),
    default_weights="tiny",
    importer="vgmae_baselines.trackmae.release:import_weights",
    trainer="vgmae_baselines.trackmae.pretrain:Pretraining",
    finetuner="vgmae_baselines.trackmae.finetune:finetuning",
    encoder="vgmae_baselines.trackmae.probed:probed",
    configs="configs",
    key_settings=("readout", "layer", "stitch", "cycle_threshold", "spread_threshold"),
    paper="Vandeghen, Thoker, Van Droogenbroeck, Ghanem: TrackMAE. CVPR 2026, arXiv 2603.27268",
    citation=(
        "@inproceedings{vandeghen2026trackmae, title={TrackMAE}, author={Vandeghen and Thoker and Van "
        "Droogenbroeck and Ghanem}, booktitle={CVPR}, year={2026}}"
    ),
    licence="Apache-2.0, written from the paper; the official code (rvandeghen/TrackMAE) is MIT",
)

VIDEOMAE = replace(
    SPEC,
    name="videomae",
    tracker="vgmae_baselines.trackmae.tracker:VideoMAETracker",
    summary="Masked video modelling of pixels: TrackMAE without tracks; tracks by its features or by a readout.",
    weights={"tiny": "weights/videomae-tiny.safetensors"},
    small_weights=("tiny",),
    trainer="vgmae_baselines.trackmae.pretrain:VideoMAEPretraining",
    configs="configs/videomae",
    key_settings=("readout", "layer", "stitch", "propagation", "context"),
    paper="Tong, Song, Wang, Wang: VideoMAE. NeurIPS 2022, arXiv 2203.12602",
    citation=(
        "@inproceedings{tong2022videomae, title={VideoMAE: Masked Autoencoders are Data-Efficient Learners for "
        "Self-Supervised Video Pre-Training}, author={Tong and Song and Wang and Wang}, booktitle={NeurIPS}, "
        "year={2022}}"
    ),
    licence="Apache-2.0; the official code (MCG-NJU/VideoMAE) is CC-BY-NC-4.0, nothing of it is in here",
)
