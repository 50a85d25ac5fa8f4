"""How fast a config trains and predicts, measured in turn with others."""
