"""Baselines: trackers that the benchmark compares with, each a plugin in a folder of its own."""
