"""How fast a config trains, loads and predicts, measured in turn with others."""
