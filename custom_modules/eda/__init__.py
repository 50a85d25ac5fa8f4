"""Explores a data set before training: statistics and defects; imports no torch except in `config_subject`."""
