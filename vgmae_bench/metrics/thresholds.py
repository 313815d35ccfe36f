"""The distances of TAP-Vid, in pixels of the metric raster. Everything that counts pixels takes them from here."""

THRESHOLDS: tuple[int, ...] = (1, 2, 4, 8, 16)
