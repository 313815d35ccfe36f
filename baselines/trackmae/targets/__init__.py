"""Targets of TrackMAE's pretraining, and its masking."""
