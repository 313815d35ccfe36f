"""The generated datasets: scenes, their rendering and their exact tracks."""
