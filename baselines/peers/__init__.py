"""Trackers of others, run from checkouts of their repositories. Neither their code nor their weights are in here.

See README.md for what to check out, which weights fit, and what was tried.
"""

from vgmae_bench import MethodSpec

_APACHE = "Apache-2.0 (code and weights)"
_NON_COMMERCIAL = "CC-BY-NC 4.0 (code and weights): not for commercial use"

TAPIR = MethodSpec(
    name="tapir",
    tracker="vgmae_baselines.peers.tapir:tapir",
    summary="TAPIR: matching in each frame, refined over time. Needs a checkout of google-deepmind/tapnet.",
    key_settings=("temperature",),
    requires=("einshape", "tree"),
    install="pip install einshape dm-tree",
    paper="Doersch et al., TAPIR: Tracking Any Point with per-frame Initialization and temporal Refinement, ICCV 2023",
    licence=_APACHE,
)
BOOTSTAPIR = MethodSpec(
    name="bootstapir",
    tracker="vgmae_baselines.peers.tapir:bootstapir",
    summary="BootsTAPIR: TAPIR trained further on unlabelled video. Needs a checkout of google-deepmind/tapnet.",
    key_settings=("temperature",),
    requires=("einshape", "tree"),
    install="pip install einshape dm-tree",
    paper="Doersch et al., BootsTAP: Bootstrapped Training for Tracking-Any-Point, ACCV 2024",
    licence=_APACHE,
)
LOCOTRACK = MethodSpec(
    name="locotrack",
    tracker="vgmae_baselines.peers.locotrack:LocoTrack",
    summary="LocoTrack: correlations of neighbourhoods with neighbourhoods. Needs a checkout of cvlab-kaist/locotrack.",
    key_settings=("size",),
    requires=("einops",),
    install="pip install einops",
    paper="Cho et al., Local All-Pair Correspondence for Point Tracking, ECCV 2024",
    licence="Apache-2.0 (code); the licence of the weights is not stated",
)
COTRACKER3 = MethodSpec(
    name="cotracker3",
    tracker="vgmae_baselines.peers.cotracker3:offline",
    summary="CoTracker3 offline: points of a whole clip together. Needs a checkout of facebookresearch/co-tracker.",
    key_settings=("preset", "single_point"),
    requires=("torchvision",),
    install="pip install torchvision",
    paper="Karaev et al., CoTracker3: Simpler and Better Point Tracking by Pseudo-Labelling Real Videos, arXiv 2410.11831",
    licence=_NON_COMMERCIAL,
)
COTRACKER3_ONLINE = MethodSpec(
    name="cotracker3-online",
    tracker="vgmae_baselines.peers.cotracker3:online",
    summary="CoTracker3 online: in windows, forward in time. Needs a checkout of facebookresearch/co-tracker.",
    causal=True,
    lookahead=15,
    key_settings=("preset", "single_point"),
    requires=("torchvision",),
    install="pip install torchvision",
    paper="Karaev et al., CoTracker3: Simpler and Better Point Tracking by Pseudo-Labelling Real Videos, arXiv 2410.11831",
    licence=_NON_COMMERCIAL,
)
