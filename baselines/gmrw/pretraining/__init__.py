"""How GMRW learns: crops, walks, losses and the recipe."""
