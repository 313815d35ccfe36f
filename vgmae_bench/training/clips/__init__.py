"""Training clips: rendered, cut from a bank of rendered scenes, or read from videos, images and datasets."""
