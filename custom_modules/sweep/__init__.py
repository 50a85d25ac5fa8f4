"""Many trainings, one after another or side by side: what is planned, what is done, what is in use."""
