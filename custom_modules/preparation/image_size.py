"""The size of an image, as training will see it."""

from PIL import ExifTags, Image

from custom_modules.usage_error import UsageError


def image_size(path):
    """Return width and height of an image from its header, turned as its EXIF tag says.

    Args:
        path: The image, of any format that Pillow reads.

    Raises:
        UsageError: The file is no image that can be read.
    """
    try:
        with Image.open(path) as image:
            width, height = image.size
            # 5 to 8 are quarter turns, which image loaders apply
            turned = image.getexif().get(ExifTags.Base.Orientation, 1) >= 5
    except (OSError, SyntaxError, ValueError, Image.DecompressionBombError) as error:
        raise UsageError(f'{path} cannot be read as an image: {error}.') from error
    return (height, width) if turned else (width, height)
