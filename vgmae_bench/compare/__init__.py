"""Tables, plots, tests and reports that compare scored runs."""
