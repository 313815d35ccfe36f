"""Tracking without training: finds points again by the features of any video encoder."""

from vgmae_bench.models.features.encoder import PatchEncoder
from vgmae_bench.models.features.tracker import CorrespondenceConfig, CorrespondenceTracker

__all__ = ["CorrespondenceConfig", "CorrespondenceTracker", "PatchEncoder"]
