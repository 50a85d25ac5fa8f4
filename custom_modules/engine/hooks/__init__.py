"""Hooks of mmengine's runner; every one keeps its state over a resume."""
