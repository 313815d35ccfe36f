"""Measures other than tracking: action recognition (`actions`) and what a model sees in single images (`space`)."""
