"""GMRW: a transition matrix between two frames, trained by a contrastive random walk. Points follow its expected flow.

Published numbers of the authors' weights, TAP-Vid strided at 256×256 (AJ / δ_avg): Kubric 54.2 / 72.4, DAVIS 41.8 / 60.9,
chained, upsample 4 (the paper's evaluation stride 1), probably with the input range of the released test script.
"""

from vgmae_bench import MethodSpec

SPEC = MethodSpec(
    name="gmrw",
    tracker="vgmae_baselines.gmrw.tracker:GMRWTracker",
    summary="Global matching random walk: flow between frames by softmax over all matches, chained or direct.",
    weights={"tiny": "weights/tiny.safetensors"},
    small_weights=("tiny",),
    default_weights="tiny",
    importer="vgmae_baselines.gmrw.release:import_weights",
    trainer="vgmae_baselines.gmrw.pretraining.pretrain:Pretraining",
    configs="configs",
    key_settings=("tracking", "upsample", "short_side", "threshold", "preset"),
    paper="Shrivastava, Owens: Self-Supervised Any-Point Tracking by Contrastive Random Walks. ECCV 2024, arXiv 2409.16288",
    citation=(
        "@inproceedings{shrivastava2024gmrw, title={Self-Supervised Any-Point Tracking by Contrastive Random "
        "Walks}, author={Shrivastava and Owens}, booktitle={ECCV}, year={2024}}"
    ),
    licence="Apache-2.0, written from the paper; the official code (ayshrv/gmrw) is MIT",
)
