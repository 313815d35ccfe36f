"""Tracks, flow and images drawn as pictures and videos."""
