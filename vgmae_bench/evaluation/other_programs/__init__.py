"""Tracks that other programs wrote, and ours for them."""
