"""Training, shared by all methods. A method defines network and loss (`recipe.py`); the loop does the rest (`loop.py`)."""
