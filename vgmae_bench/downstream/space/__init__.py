"""Measures of image models: figure and ground, outlines, and reconstruction of hidden patches."""
