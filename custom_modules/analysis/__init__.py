"""What a segmentor gets wrong, and where: counted image by image, so that a large set needs no large memory."""
