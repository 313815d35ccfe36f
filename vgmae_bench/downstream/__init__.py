"""Measures other than tracking: action recognition (`actions`) and spatial measures of image models (`space`)."""
