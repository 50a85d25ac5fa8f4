from pathlib import Path

from custom_modules.usage_error import UsageError

from .find_files import find_files, first_five, warn


def find_pairs(
    images: tuple[str, str, str], masks: tuple[str, str, str], remedy: str
) -> dict[str, tuple[Path, Path]]:
    """Find the image and the mask of each id.

    Masks without an image are not used, which is said in a warning.

    Args:
        images (tuple[str, str, str]): The images' folder, and what a name has before and after the id.
        masks (tuple[str, str, str]): The same of the masks.
        remedy (str): What helps when nothing is found, for the error's sentence.

    Returns:
        dict[str, tuple[Path, Path]]: Image and mask of each id, in the order of the ids.

    Raises:
        UsageError: If a folder is missing or has no such file, or an image has no mask.
    """
    image_of, mask_of = find_files(*images, 'images', remedy), find_files(*masks, 'masks', remedy)
    unpaired = sorted(set(image_of) - set(mask_of))
    if unpaired:
        folder, prefix, suffix = masks
        raise UsageError(
            f'{len(unpaired)} of {len(image_of)} images in {images[0]} have no {prefix}*{suffix} in {folder}: '
            f'{first_five(image_of[i].name for i in unpaired)}; add the masks or remove the images.'
        )
    orphans = sorted(set(mask_of) - set(image_of))
    if orphans:
        warn(
            f'{len(orphans)} masks without image are not used: {first_five(mask_of[i].name for i in orphans)}'
        )
    return {i: (image_of[i], mask_of[i]) for i in sorted(image_of)}
