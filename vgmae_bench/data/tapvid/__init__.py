"""The files of TAP-Vid and RoboTAP, read without executing anything in them."""
