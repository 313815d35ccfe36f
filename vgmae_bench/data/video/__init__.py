"""Frames: decoding, reading and writing of videos and images."""
