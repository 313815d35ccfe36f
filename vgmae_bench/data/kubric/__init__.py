"""Kubric's TFRecord files, and the tracks that follow from what they hold."""
