from collections.abc import Sequence
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path

import numpy as np
from PIL import Image

from custom_modules.usage_error import UsageError

MASK_VALUES = ({0, 255}, {0, 1})
NO_ROCK = 'no rock'


def check_pairs(pairs: Sequence[tuple[Path, Path]]) -> None:
    """Read every image and mask once and refuse what would fail, or train on nonsense, later.

    Args:
        pairs (Sequence[tuple[Path, Path]]): Image and mask.

    Raises:
        UsageError: If a file is unreadable or truncated, a mask has several channels or values other than
            0/255 or 0/1, sizes differ, or no mask holds any rock. The sentence names the first five files.
    """
    # decoding releases the interpreter's lock, so threads help
    with ThreadPoolExecutor() as pool:
        findings = list(pool.map(_finding, pairs))
    for kind, remedy in (
        ('an unreadable file', 'copy or download them again'),
        (
            'a mask with several channels',
            'convert colour masks with `python tools/prepare_data.py lunar SRC`',
        ),
        (
            'a mask with values other than 0/255 or 0/1',
            'a mask holds 0 for background and 255 for rock: threshold it, and save it as PNG',
        ),
        ('a mask of another size than its image', 'resize the mask with nearest neighbour'),
    ):
        found = [text for finding, text in findings if finding == kind]
        if found:
            more = ', ...' if len(found) > 5 else ''
            raise UsageError(
                f'{len(found)} of {len(pairs)} pairs have {kind}: '
                f'{", ".join(found[:5])}{more}; {remedy}.'
            )
    if all(finding == NO_ROCK for finding, _ in findings):
        raise UsageError(
            f'none of the {len(pairs)} masks holds a single rock pixel, so that a rock score is undefined '
            f'(the first is {pairs[0][1]}): check the masks, or choose another split.'
        )


def _finding(pair: tuple[Path, Path]) -> tuple[str, str]:
    image_path, mask_path = pair
    arrays = []
    for path in pair:
        try:
            with Image.open(path) as picture:
                arrays.append(np.asarray(picture))
        except (OSError, SyntaxError, ValueError) as error:
            return 'an unreadable file', f'{path} ({error})'
    image, mask = arrays
    if mask.ndim != 2:
        return 'a mask with several channels', f'{mask_path} ({mask.shape[2]} channels)'
    values = set(np.unique(mask).tolist())
    if not any(values <= allowed for allowed in MASK_VALUES):
        listed = ', '.join(str(int(v)) for v in sorted(values)[:6])
        return 'a mask with values other than 0/255 or 0/1', f'{mask_path} ({listed}, ...)'
    if image.shape[:2] != mask.shape:
        sizes = f'image {image.shape[1]}x{image.shape[0]}, mask {mask.shape[1]}x{mask.shape[0]}'
        return 'a mask of another size than its image', f'{mask_path} ({sizes})'
    return ('', '') if values - {0} else (NO_ROCK, str(mask_path))
