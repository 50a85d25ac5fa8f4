"""Benchmarks the training and prediction of a config against other implementations."""
