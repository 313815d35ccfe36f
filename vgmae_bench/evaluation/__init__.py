"""Evaluation: ask a method, keep its predictions, score them."""
