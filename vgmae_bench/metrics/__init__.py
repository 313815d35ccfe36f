"""Metrics: functions that compare predicted tracks with true ones.

All values are fractions in float64 (errors are in pixels). Only tables multiply by 100.
"""

from vgmae_bench.metrics.thresholds import THRESHOLDS
from vgmae_bench.plugins import MetricSpec

_TAPVID = (
    "average_jaccard",
    "average_pts_within_thresh",
    "occlusion_accuracy",
    *(f"jaccard_{threshold}" for threshold in THRESHOLDS),
    *(f"pts_within_{threshold}" for threshold in THRESHOLDS),
)

TAPVID = MetricSpec(
    name="tapvid",
    factory="vgmae_bench.metrics.tapvid:compute_tapvid",
    summary="Average Jaccard, δ_avg, occlusion accuracy and their values at 1 to 16 px, as TAP-Vid defines them.",
    values=_TAPVID,
)
TAPNET = MetricSpec(
    name="tapnet",
    factory="vgmae_bench.metrics.tapnet:compute_tapnet",
    summary="The same values from DeepMind's own code, as a cross-check. Optional.",
    values=tuple(f"tapnet_{name}" for name in _TAPVID),
    requires=("tapnet",),
    install="pip install --group tapnet",
)
RE_DETECTION = MetricSpec(
    name="re-detection",
    factory="vgmae_bench.metrics.redetection:compute_re_detection",
    summary="Average Jaccard after a point re-appears, averaged over minimum gap lengths of 1 to 256 frames (TAPNext++).",
    values=("re_detection_jaccard",),
)
SURVIVAL = MetricSpec(
    name="survival",
    factory="vgmae_bench.metrics.survival:compute_survival",
    summary="Share of frames before a track's error first exceeds 16 px; median trajectory error in px (PointOdyssey).",
    values=("survival", "median_trajectory_error"),
    lower_is_better=("median_trajectory_error",),
)
PCK = MetricSpec(
    name="pck",
    factory="vgmae_bench.metrics.pck:compute_pck",
    summary="Share of keypoints within 0.2 √(mask area), for datasets with masks (BADJA).",
    values=("pck",),
)
