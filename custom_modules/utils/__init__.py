"""Helpers for every other package: errors, files, images, tables, figures, machine; no torch at import."""
