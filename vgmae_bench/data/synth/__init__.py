"""The generated dataset: scenes, their rendering and their exact tracks."""
