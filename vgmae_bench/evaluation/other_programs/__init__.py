"""Predictions of other programs: read and score them, and export ours for them."""
