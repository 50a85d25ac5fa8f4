"""What every other package may use: errors, files, images, tables, figures, progress; no torch."""
