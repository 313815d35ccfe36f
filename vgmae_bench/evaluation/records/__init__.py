"""Typed records: every JSON file of results, with a schema number, read and written in one place."""
