"""Trackers of other people, run from checkouts of their repositories. This package has neither their code nor their weights.

README.md lists the repositories, the weights, and the trials.
"""

from dataclasses import replace
from pathlib import Path

from vgmae_bench import MethodSpec, RemoteWeights

_BIB = {
    entry.partition("{")[2].partition(",")[0]: entry
    for entry in Path(__file__).with_name("peers.bib").read_text(encoding="utf-8").splitlines()
}
"""BibTeX entries by key, in the words of the authors' READMEs where these give them."""
_APACHE = "Apache-2.0 (code and weights)"
_WITHOUT_CUDA = "  # without CUDA: add --extra-index-url https://download.pytorch.org/whl/cpu"
_TAPNET_CODE = "google-deepmind/tapnet@c2cbab8"
_TAPNET = "https://storage.googleapis.com/dm-tapnet"
_COTRACKER = "https://huggingface.co/facebook/cotracker3/resolve/main"
_LOCOTRACK = "https://huggingface.co/datasets/hamacojr/LocoTrack-pytorch-weights/resolve/main"
_ALLTRACKER = "https://huggingface.co/aharley/alltracker/resolve/main"

TAPIR = MethodSpec(
    name="tapir",
    tracker="vgmae_baselines.peers.tapir:Tapir",
    summary="TAPIR: matching in each frame, refined over time. Needs a checkout of google-deepmind/tapnet.",
    lookahead="all",
    key_settings=("temperature",),
    requires=("einshape", "tree"),
    install="pip install einshape dm-tree",
    weights={"panning": RemoteWeights(f"{_TAPNET}/tapir_checkpoint_panning.pt")},
    default_weights="panning",
    published={"panning": "TAPIR (panning checkpoint)"},
    checkout=_TAPNET_CODE,
    paper="Doersch et al., TAPIR: Tracking Any Point with per-frame Initialization and temporal Refinement, ICCV 2023",
    citation=_BIB["doersch2023tapir"],
    licence=_APACHE,
)
BOOTSTAPIR = replace(
    TAPIR,
    name="bootstapir",
    tracker="vgmae_baselines.peers.tapir:BootsTapir",
    summary="BootsTAPIR: TAPIR trained further on unlabelled video. Needs a checkout of google-deepmind/tapnet.",
    weights={"v2": RemoteWeights(f"{_TAPNET}/bootstap/bootstapir_checkpoint_v2.pt")},
    default_weights="v2",
    published={"v2": "BootsTAPIR"},
    paper="Doersch et al., BootsTAP: Bootstrapped Training for Tracking-Any-Point, ACCV 2024",
    citation=_BIB["doersch2024bootstap"],
)
TAPNEXT = MethodSpec(
    name="tapnext",
    tracker="vgmae_baselines.peers.tapnext:TapNext",
    summary="TAPNext: points as tokens of a recurrent transformer. Needs a checkout of google-deepmind/tapnet.",
    direction="forward",
    lookahead=0,
    key_settings=("preset",),
    queries="joint",
    requires=("einops", "torchvision"),
    install=f"pip install einops torchvision{_WITHOUT_CUDA}",
    weights={
        "bootstapnext": RemoteWeights(f"{_TAPNET}/tapnext/bootstapnext_ckpt.npz"),
        "tapnext": RemoteWeights(f"{_TAPNET}/tapnext/tapnext_ckpt.npz"),
    },
    default_weights="bootstapnext",
    published={"bootstapnext": "BootsTAPNext-B", "tapnext": "TAPNext-B"},
    checkout=_TAPNET_CODE,
    paper="Zholus et al., TAPNext: Tracking Any Point (TAP) as Next Token Prediction, arXiv 2504.05579",
    citation=_BIB["zholus2025tapnext"],
    licence=_APACHE,
)
TAPNEXT_PLUS_PLUS = replace(
    TAPNEXT,
    name="tapnext++",
    tracker="vgmae_baselines.peers.tapnext:TapNextPP",
    summary="TAPNext++: TAPNext trained on longer videos. Needs a checkout of google-deepmind/tapnet.",
    key_settings=("preset", "resolution"),
    weights={
        "256": RemoteWeights(f"{_TAPNET}/tapnextpp/tapnextpp_ckpt.pt", settings={"resolution": 256}),
        "512": RemoteWeights(
            "https://storage.googleapis.com/gresearch/tapnextpp/tapnextpp_512.ckpt", settings={"resolution": 512}
        ),
    },
    default_weights="256",
    published={"256": "TAPNext++"},
    paper="Jung et al., TAPNext++: What's Next for Tracking Any Point (TAP)?, CVPR 2026 Findings, arXiv 2604.10582",
    citation="\n".join([_BIB["jung2026tapnextpp"], _BIB["zholus2025tapnext"]]),
)
LOCOTRACK = MethodSpec(
    name="locotrack",
    tracker="vgmae_baselines.peers.locotrack:LocoTrack",
    summary="LocoTrack: correlations of neighbourhoods with neighbourhoods. Needs a checkout of cvlab-kaist/locotrack.",
    lookahead="all",
    key_settings=("size",),
    requires=("einops",),
    install="pip install einops",
    weights={
        size: RemoteWeights(f"{_LOCOTRACK}/locotrack_{size}.ckpt", settings={"size": size}, licence="not stated")
        for size in ("base", "small")
    },
    default_weights="base",
    published={"base": "LocoTrack-B", "small": "LocoTrack-S"},
    checkout="cvlab-kaist/locotrack@3385a23:locotrack_pytorch",
    paper="Cho et al., Local All-Pair Correspondence for Point Tracking, ECCV 2024",
    citation=_BIB["cho2024local"],
    licence="Apache-2.0 (code); the licence of the weights is not stated",
)
ALLTRACKER = MethodSpec(
    name="alltracker",
    tracker="vgmae_baselines.peers.alltracker:AllTracker",
    summary="AllTracker: dense flow from a query's frame to all later ones. Needs a checkout of aharley/alltracker.",
    direction="forward",
    key_settings=("size", "preset"),
    requires=("einops", "torchvision"),
    install=f"pip install einops torchvision{_WITHOUT_CUDA}",
    weights={
        "full": RemoteWeights(f"{_ALLTRACKER}/alltracker.pth", settings={"size": "full"}, licence="not stated"),
        "tiny": RemoteWeights(f"{_ALLTRACKER}/alltracker_tiny.pth", settings={"size": "tiny"}, licence="not stated"),
    },
    default_weights="full",
    published={"full": "AllTracker"},
    checkout="aharley/alltracker@c1ed462",
    paper="Harley et al., AllTracker: Efficient Dense Point Tracking at High Resolution, ICCV 2025, arXiv 2506.07310",
    citation=_BIB["harley2025alltracker"],
    licence="MIT (code); the licence of the weights is not stated",
)
COTRACKER3 = MethodSpec(
    name="cotracker3",
    tracker="vgmae_baselines.peers.cotracker3:Offline",
    summary="CoTracker3 offline: points of a whole clip together. Needs a checkout of facebookresearch/co-tracker.",
    lookahead="all",
    key_settings=("preset", "single_point"),
    queries="joint",
    requires=("torchvision",),
    install=f"pip install torchvision{_WITHOUT_CUDA}",
    weights={
        "scaled": RemoteWeights(
            f"{_COTRACKER}/scaled_offline.pth",
            size=101_890_938,
            sha256="2670d4562ed69326dda775a26e54883925cd11b6fc9b24cb7aa9f8078bce7834",
        ),
        "baseline": RemoteWeights(
            f"{_COTRACKER}/baseline_offline.pth",
            size=101_889_786,
            sha256="da09bbac871f7398e5b29c4de5213652658949737bc158840b101678ba8ad1df",
        ),
    },
    default_weights="scaled",
    notice="CoTracker3 is under CC-BY-NC 4.0: its code, its weights and what is made with them are not for commercial use",
    published={"scaled": "CoTracker3 offline", "baseline": "CoTracker3 offline (Kubric only)"},
    checkout="facebookresearch/co-tracker@82e02e8",
    paper="Karaev et al., CoTracker3: Simpler and Better Point Tracking by Pseudo-Labelling Real Videos, arXiv 2410.11831",
    citation=_BIB["karaev24cotracker3"],
    licence="CC-BY-NC 4.0 (code and weights): not for commercial use",
)
COTRACKER3_ONLINE = replace(
    COTRACKER3,
    name="cotracker3-online",
    tracker="vgmae_baselines.peers.cotracker3:Online",
    summary="CoTracker3 online: in windows, forward in time. Needs a checkout of facebookresearch/co-tracker.",
    direction="forward",
    lookahead=15,
    key_settings=("preset",),
    weights={
        "scaled": RemoteWeights(
            f"{_COTRACKER}/scaled_online.pth",
            sha256="205d34789f19699d64b22cf93f9b697f15f28d4025240e31532e504109837218",
        ),
        "baseline": RemoteWeights(
            f"{_COTRACKER}/baseline_online.pth",
            sha256="8b30b2f239de9987323b729d9115cc5163720a07348a97d045095cd9ebdb7b3a",
        ),
    },
    published={"scaled": "CoTracker3 online"},
)
RAFT_PRINCETON = MethodSpec(
    name="raft-princeton",
    tracker="vgmae_baselines.peers.flows:RaftPrinceton",
    summary="RAFT of its authors, chained like raft. Needs a checkout of princeton-vl/RAFT.",
    direction="forward",
    lookahead=0,
    key_settings=("iterations", "max_error"),
    checkout="princeton-vl/RAFT@2888e15:core",
    paper="Teed and Deng, RAFT: Recurrent All-Pairs Field Transforms for Optical Flow, ECCV 2020, arXiv 2003.12039",
    citation=_BIB["teed2020raft"],
    licence="BSD-3-Clause (code)",
)
RAFT = replace(
    RAFT_PRINCETON,
    name="raft",
    tracker="vgmae_baselines.peers.flows:Raft",
    summary="RAFT of torchvision, chained from frame to frame; hidden where forward and backward flow disagree.",
    requires=("torchvision",),
    install=f"pip install torchvision{_WITHOUT_CUDA}",
    weights={
        "C_T_SKHT_V2": RemoteWeights(
            "https://download.pytorch.org/models/raft_large_C_T_SKHT_V2-ff5fadd5.pth", sha256="ff5fadd5"
        )
    },
    default_weights="C_T_SKHT_V2",
    checkout="",
)
PTLFLOW = MethodSpec(
    name="ptlflow",
    tracker="vgmae_baselines.peers.flows:Ptlflow",
    summary="Any optical flow model of ptlflow, chained like raft: --set model=NAME.",
    direction="forward",
    lookahead=0,
    key_settings=("model", "max_error"),
    requires=("ptlflow",),
    install="pip install ptlflow",
    paper="Morimitsu, PyTorch Lightning Optical Flow, 2021; each model has a paper of its own",
    citation=_BIB["morimitsu2021ptlflow"],
    licence="Apache-2.0 (ptlflow); each model and its weights have a licence of their own",
)
DINOV2 = MethodSpec(
    name="dinov2",
    tracker="vgmae_baselines.peers.dinov2:DinoV2",
    summary="DINOv2: nearest neighbours of patches, never trained to track. Needs a checkout of facebookresearch/dinov2.",
    key_settings=("size", "image_size", "propagation"),
    weights={
        size: RemoteWeights(
            f"https://dl.fbaipublicfiles.com/dinov2/dinov2_{vit}14/dinov2_{vit}14_pretrain.pth", settings={"size": size}
        )
        for size, vit in {"small": "vits", "base": "vitb", "large": "vitl", "giant2": "vitg"}.items()
    },
    default_weights="small",
    checkout="facebookresearch/dinov2@b8931f7",
    paper="Oquab et al., DINOv2: Learning Robust Visual Features without Supervision, arXiv 2304.07193",
    citation=_BIB["oquab2023dinov2"],
    licence=_APACHE,
)
