"""Baselines for comparison. Each is a plugin in its own folder."""
