"""DIS and Farnebäck: dense optical flow of OpenCV, chained from frame to frame."""

from dataclasses import replace

from vgmae_bench import MethodSpec

DIS = MethodSpec(
    name="dis",
    tracker="vgmae_baselines.dense_flow.tracker:DIS",
    summary="Dense Inverse Search flow (OpenCV), chained; hidden where forward and backward flow disagree.",
    direction="forward",
    lookahead=0,
    key_settings=("preset", "max_error"),
    requires=("cv2",),
    install="pip install opencv-python-headless",
    paper="Kroeger, Timofte, Dai, Van Gool: Fast Optical Flow using Dense Inverse Search. ECCV 2016, arXiv 1603.03590",
    citation=(
        "@inproceedings{kroeger2016dis, title={Fast Optical Flow using Dense Inverse Search}, author={Kroeger, Till and "
        "Timofte, Radu and Dai, Dengxin and Van Gool, Luc}, booktitle={ECCV}, year={2016}}"
    ),
    licence="Apache-2.0",
)

FARNEBACK = replace(
    DIS,
    name="farneback",
    tracker="vgmae_baselines.dense_flow.tracker:Farneback",
    summary="Farnebäck's dense flow (OpenCV), chained; hidden where forward and backward flow disagree.",
    key_settings=("levels", "window", "max_error"),
    paper="Farnebäck: Two-Frame Motion Estimation Based on Polynomial Expansion. SCIA 2003",
    citation=(
        "@inproceedings{farneback2003two, title={Two-Frame Motion Estimation Based on Polynomial Expansion}, "
        'author={Farneb{\\"a}ck, Gunnar}, '
        "booktitle={SCIA}, year={2003}}"
    ),
)
