"""Reads what runs left behind, scores their checkpoints again and lays the results side by side."""
