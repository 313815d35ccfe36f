"""Frames: resizing, decoding, reading and writing of videos and images."""
