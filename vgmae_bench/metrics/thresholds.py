"""The distance thresholds of TAP-Vid, in pixels of the metric raster. All code takes them from here."""

THRESHOLDS: tuple[int, ...] = (1, 2, 4, 8, 16)
