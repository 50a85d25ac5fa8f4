"""What is wrong with an installation; nothing here imports anything but the standard library at once."""
