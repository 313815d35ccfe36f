"""A comparison as one HTML file that needs nothing else: tables, plots and players of single clips."""
