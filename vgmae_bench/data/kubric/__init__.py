"""Kubric: reads its TFRecord files and renders, and derives point tracks from them."""
