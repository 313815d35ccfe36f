"""Pyramidal Lucas-Kanade: sparse optical flow chained from frame to frame."""

from vgmae_bench import MethodSpec

SPEC = MethodSpec(
    name="lucas-kanade",
    tracker="vgmae_baselines.lucas_kanade.tracker:LucasKanade",
    summary="Pyramidal Lucas-Kanade flow (OpenCV), chained; hidden where forward and backward flow disagree.",
    direction="forward",
    lookahead=0,
    key_settings=("window", "levels", "max_error"),
    requires=("cv2",),
    install="pip install opencv-python-headless",
    paper="B. D. Lucas and T. Kanade, IJCAI 1981; J.-Y. Bouguet, Intel 2001 (pyramidal form)",
    citation=(
        "@inproceedings{lucas1981iterative, title={An Iterative Image Registration Technique with an Application to Stereo "
        "Vision}, author={Lucas, Bruce D. and Kanade, Takeo}, booktitle={IJCAI}, year={1981}}"
    ),
    licence="Apache-2.0",
)
