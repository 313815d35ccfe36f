"""Pretraining of GMRW: crops, walks, losses and the recipe."""
