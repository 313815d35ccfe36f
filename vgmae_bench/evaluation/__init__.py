"""Evaluation: runs a method on the queries of a dataset, keeps its predictions and scores them."""
