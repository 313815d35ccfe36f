"""Reads the files of TAP-Vid and RoboTAP, without executing anything in them."""
