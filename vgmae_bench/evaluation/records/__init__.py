"""Every JSON file that results consist of: typed, with a schema number, read and written in one place."""
