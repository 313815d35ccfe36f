"""A comparison as one self-contained HTML file: tables, plots and players of single clips."""
