"""Training, shared by all methods. A method defines what is learned (`recipe.py`); the loop does the rest (`loop.py`)."""
