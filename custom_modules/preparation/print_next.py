"""What to do with a set that is ready."""

from shlex import quote


def print_next(data):
    """Print the command that trains on the set in folder `data`."""
    variable = f'MOON_DATA={quote(str(data))}'
    print(f'Next: {variable} python tools/train.py configs/unet_backbone_frozen.py')
