from collections.abc import Iterable, Sequence
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path

import numpy as np
from PIL import Image, ImageOps

from custom_modules.usage_error import UsageError

from .find_files import first_five


def check_pairs(
    pairs: Sequence[tuple[Path, Path]],
    value_sets: Sequence[Iterable[int]],
    values_text: str,
    values_remedy: str,
    colour_remedy: str,
) -> set[int]:
    """Read every image and mask once and refuse what would fail, or train on nonsense, later.

    Masks are read as mmseg's ``LoadAnnotations`` reads them, so a palette's indices count, not its colours.

    Args:
        pairs (Sequence[tuple[Path, Path]]): Image and mask.
        value_sets (Sequence[Iterable[int]]): What a mask may hold; all its values must be in one of the sets.
        values_text (str): The sets in words, for the error's sentence.
        values_remedy (str): What helps against other values, for the error's sentence.
        colour_remedy (str): What helps against masks of several channels, for the error's sentence.

    Returns:
        set[int]: The values that occur in the masks.

    Raises:
        UsageError: If a file is unreadable or truncated, a mask has several channels or other values, or sizes
            differ. The sentence names the first five files.
    """
    sets = [frozenset(values) for values in value_sets]
    # decoding releases the interpreter's lock, so threads help
    with ThreadPoolExecutor() as pool:
        findings = list(pool.map(lambda pair: _finding(pair, sets), pairs))
    for kind, what, remedy in (
        ('unreadable', 'an unreadable file', 'copy or download them again'),
        ('colour', 'a mask with several channels', colour_remedy),
        ('values', f'a mask with values other than {values_text}', values_remedy),
        (
            'size',
            'a mask of another size than its image',
            'resize the mask with nearest neighbour',
        ),
    ):
        found = [text for finding, text, _ in findings if finding == kind]
        if found:
            raise UsageError(
                f'{len(found)} of {len(pairs)} pairs have {what}: {first_five(found)}; {remedy}.'
            )
    return set().union(*(values for _, _, values in findings))


def _finding(
    pair: tuple[Path, Path], sets: Sequence[frozenset[int]]
) -> tuple[str, str, frozenset[int]]:
    arrays = []
    for path in pair:
        try:
            with Image.open(path) as picture:
                # cameras store some photographs lying; LoadImageFromFile turns them, LoadAnnotations does not
                turned = ImageOps.exif_transpose(picture) if path == pair[0] else picture
                arrays.append(np.asarray(turned))
        except (OSError, SyntaxError, ValueError) as error:
            return 'unreadable', f'{path} ({error})', frozenset()
    image, mask = arrays
    if mask.ndim != 2:
        return 'colour', f'{pair[1]} ({mask.shape[2]} channels)', frozenset()
    values = frozenset(np.unique(mask).tolist())
    if not any(values <= allowed for allowed in sets):
        # where several sets are allowed, none of the values is wrong by itself
        wrong = sorted(values - sets[0] if len(sets) == 1 else values)
        listed = ', '.join(str(int(value)) for value in wrong[:6])
        return 'values', f'{pair[1]} ({listed}{", ..." if len(wrong) > 6 else ""})', values
    if image.shape[:2] != mask.shape:
        sizes = f'image {image.shape[1]}x{image.shape[0]}, mask {mask.shape[1]}x{mask.shape[0]}'
        return 'size', f'{pair[1]} ({sizes})', values
    return '', '', values
