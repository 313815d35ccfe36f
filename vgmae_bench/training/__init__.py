"""Training, shared by all methods: a method says what to learn (`recipe.py`), the loop does the rest (`loop.py`)."""
