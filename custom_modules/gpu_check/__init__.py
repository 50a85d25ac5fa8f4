"""Checks a GPU machine: a benchmark of training and prediction, and whether training is repeatable."""
