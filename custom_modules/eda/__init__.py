"""See the data before training: what is in it, and what is wrong with it; no torch but in `config_subject`."""
