"""Runs: predict, keep the predictions, score what was kept."""
