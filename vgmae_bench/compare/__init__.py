"""Comparisons drawn from scores."""
