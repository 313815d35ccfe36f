"""Does a tracker, a dataset or a metric keep its contract? Checks that need no dataset and no labels of people."""
