"""Draws tracks, flow and images as pictures and videos."""
