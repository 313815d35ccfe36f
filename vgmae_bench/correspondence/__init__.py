"""Tracking without training: points are found again by the features of any video encoder."""

from vgmae_bench.correspondence.encoder import PatchEncoder
from vgmae_bench.correspondence.tracker import CorrespondenceConfig, CorrespondenceTracker

__all__ = ["CorrespondenceConfig", "CorrespondenceTracker", "PatchEncoder"]
