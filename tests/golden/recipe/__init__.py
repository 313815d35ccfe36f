"""How the goldens in `small` are made: a plain reference in float64, written from the published methods, without our code."""
