"""Checks whether a tracker, a dataset or a metric keeps its contract, without datasets and human labels."""
