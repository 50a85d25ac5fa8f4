"""Pairs of image and mask: whether they can be used, as training reads them."""

from collections.abc import Iterable, Mapping, Sequence
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path
from typing import NamedTuple

import numpy as np

from custom_modules.datasets.pairs import first_five, warn
from custom_modules.utils.errors import UsageError
from custom_modules.utils.images import (
    ImageError,
    file_bytes,
    mask_palette,
    orientation,
    read_image,
    read_mask,
)


class MaskValues:
    """Which values a mask may hold, and the label of each.

    Args:
        labels (Mapping[int, int]): Label of each value; 255 for pixels without a class.
        sets (Sequence[Iterable[int]], optional): All values of a mask must be in one of them. Defaults to one
            set, of all values that have a label.
        palette (Sequence[Sequence[int]]): RGB of each class, which a mask's own palette must not contradict.

    Example:
        >>> MaskValues({0: 0, 1: 1, 255: 1}, [{0, 255}, {0, 1}]).stray({0, 1, 255})
        [0, 1, 255]
        >>> MaskValues({0: 0, 255: 1}).stray({0, 7})
        [7]
    """

    def __init__(
        self,
        labels: Mapping[int, int],
        sets: Sequence[Iterable[int]] | None = None,
        palette: Sequence[Sequence[int]] = (),
    ) -> None:
        self.labels = dict(labels)
        self.sets = tuple(map(frozenset, sets or [labels]))
        self.table = np.full(256, 255, np.uint8)
        self.table[list(self.labels)] = list(self.labels.values())
        self.class_of = {tuple(colour): label for label, colour in enumerate(palette)}

    def stray(self, values: set[int]) -> list[int]:
        """Name the values that a mask must not hold.

        Args:
            values (set[int]): All values of one mask.

        Returns:
            list[int]: The wrong ones, sorted. Where several sets are allowed, none is wrong by itself: all.
        """
        if any(values <= allowed for allowed in self.sets):
            return []
        return sorted(values - self.sets[0] if len(self.sets) == 1 else values)

    def contradiction(self, colours: Mapping[int, tuple[int, int, int]]) -> str:
        """Say whether a mask's palette shows other classes than its indices mean; an empty word if not.

        Args:
            colours (Mapping[int, tuple[int, int, int]]): RGB of each index that occurs.
        """
        for index, colour in colours.items() if set(colours.values()) <= set(self.class_of) else ():
            if self.labels.get(index) not in (None, self.class_of[colour]):
                return f'index {index} is class {self.labels[index]} in the colour of class {self.class_of[colour]}'
        return ''


class Finding(NamedTuple):
    """Something about a pair of files.

    Args:
        kind (str): ``'unreadable_image'``, ``'unreadable_mask'``, ``'unclear_pixels'``, ``'several_channels'``,
            ``'wrong_palette'``, ``'stray_values'``, ``'turned_away'``, ``'size_mismatch'``, or ``'perhaps_turned'``, which is no
            defect.
        path (Path): The file.
        details (str): What there is.
        remedy (str): What helps, where it depends on the file.
    """

    kind: str
    path: Path
    details: str
    remedy: str = ''


def read_pair(
    image: Path | None, mask: Path | None, values: MaskValues
) -> tuple[np.ndarray | None, np.ndarray | None, set[int], list[Finding]]:
    """Read an image and its mask, and find what is wrong with them.

    Args:
        image (Path, optional): The image, if there is one.
        mask (Path, optional): The mask, if there is one.
        values (MaskValues): What the mask may hold.

    Returns:
        tuple: The image's RGB pixels and the mask's values as training sees them, None where they cannot be read; the
        values that occur; and what is wrong, of each kind at most one.
    """
    found, files, arrays = [], [], []
    for path, read, what in ((image, read_image, 'image'), (mask, read_mask, 'mask')):
        data = pixels = None
        try:
            if path is not None:
                data, _ = file_bytes(path, what=what)
                pixels = read(data)
        except ImageError as error:
            kinds = dict(unreadable=f'unreadable_{what}', ambiguous='unclear_pixels')
            kind = kinds.get(error.kind, error.kind)
            found.append(Finding(kind, path, error.reason, error.remedy))
        files.append(data)
        arrays.append(pixels)
    pixels, labels = arrays
    if labels is None or image is None:
        return pixels, labels, set(), found
    if labels.dtype == np.uint8:
        occurring = set(np.flatnonzero(count_values(labels)).tolist())
    else:
        occurring = set(np.unique(labels).tolist())
    if wrong := values.stray(occurring):
        # where several sets are allowed, none of the values is wrong by itself
        listed = ', '.join(map(str, wrong[:6])) + (', ...' if len(wrong) > 6 else '')
        found.append(Finding('stray_values', mask, listed))
    elif values.class_of and (details := values.contradiction(mask_palette(files[1]))):
        found.append(Finding('wrong_palette', mask, details))
    if pixels is not None:
        found += _compare_sizes(image, mask, files, pixels.shape[:2], labels.shape)
    return pixels, labels, occurring, found


def _compare_sizes(
    image: Path, mask: Path, files: Sequence[bytes], size: tuple, mask_size: tuple
) -> list[Finding]:
    turns = [orientation(data) for data in files]
    if size == mask_size:
        # a quarter turn of what is not square shows by the sizes that the mask was drawn upright
        proven = turns[0] >= 5 and size[0] != size[1]
        if turns[0] == turns[1] or proven:
            return []
        return [Finding('perhaps_turned', mask, f'image {turns[0]}, mask {turns[1]}')]
    sizes = f'image {size[1]}x{size[0]}, mask {mask_size[1]}x{mask_size[0]}'
    if size == mask_size[::-1]:
        for path, turn in zip((image, mask), turns, strict=True):
            if turn >= 5:
                remedy = (
                    f'remove the tag, as with `exiftool -Orientation= {path.parent}/*{path.suffix}`, since both files fit '
                    'as they are stored'
                )
                return [Finding('turned_away', mask, f'{sizes}, turned: {path.name}', remedy)]
    return [Finding('size_mismatch', mask, sizes)]


# kind: what it is, and what helps where that is the same for all files and data sets
DEFECTS = dict(
    unreadable_image=('an unreadable file', 'copy or download them again'),
    unreadable_mask=('an unreadable file', 'copy or download them again'),
    unclear_pixels=('a file that does not say what its pixels mean', ''),
    several_channels=('a mask with several channels', ''),
    wrong_palette=(
        "a mask whose palette shows its indices in other classes' colours",
        'save them as grey PNG without a palette, with the class index of each pixel, or correct the palette of the config',
    ),
    stray_values=('a mask with values other than', ''),
    turned_away=('a mask that fits its image only before an EXIF tag turns one of them', ''),
    size_mismatch=(
        'a mask of another size than its image',
        'resize the mask with nearest neighbour',
    ),
)


def check_pairs(
    pairs: Sequence[tuple[Path, Path]],
    values: MaskValues,
    values_text: str,
    values_remedy: str,
    colour_remedy: str,
) -> set[int]:
    """Read every image and mask once and refuse what would fail, or train on nonsense, later.

    They are read as training reads them, by :func:`read_image` and :func:`read_mask`.

    Args:
        pairs (Sequence[tuple[Path, Path]]): Image and mask.
        values (MaskValues): What a mask may hold.
        values_text (str): The same in words, for the error's sentence.
        values_remedy (str): What helps against other values, for the error's sentence.
        colour_remedy (str): What helps against masks of several channels, for the error's sentence.

    Returns:
        set[int]: The values that occur in the masks.

    Raises:
        UsageError: If a file is unreadable or truncated, a mask has several channels or other values, or sizes
            differ. The sentence names the first five files.
    """

    def examine(pair: tuple[Path, Path]) -> tuple[set[int], list[Finding]]:
        return read_pair(*pair, values)[2:]

    # decoding releases the interpreter's lock, so threads help
    with ThreadPoolExecutor() as pool:
        examined = list(pool.map(examine, pairs))
    of_kind = {}
    for _, findings in examined:
        # of a pair only the first: what follows may be its consequence
        for finding in findings[:1]:
            of_kind.setdefault(finding.kind, []).append(finding)
    unsure = of_kind.pop('perhaps_turned', [])
    for kind, (what, remedy) in DEFECTS.items():
        found = of_kind.get(kind)
        if not found:
            continue
        remedies = dict(several_channels=colour_remedy, stray_values=values_remedy)
        remedy = remedy or remedies.get(kind) or found[0].remedy
        what += f' {values_text}' if kind == 'stray_values' else ''
        named = first_five(f'{finding.path} ({finding.details})' for finding in found)
        raise UsageError(f'{len(found)} of {len(pairs)} pairs have {what}: {named}; {remedy}.')
    if unsure:
        warn(
            f'{len(unsure)} images are turned by their EXIF tag otherwise than their masks, and the sizes do not say whether '
            f'the masks were drawn upright: look at {first_five(str(finding.path) for finding in unsure)} with tools/visualize.py'
        )
    return set().union(*(values for values, _ in examined))


BLOCK = 1 << 20


def count_values(values: np.ndarray, size: int = 256) -> np.ndarray:
    """Count small whole numbers, block by block: ``np.bincount`` makes eight bytes of each.

    Args:
        values (np.ndarray): Numbers below ``size``, of any shape.
        size (int): Number of different ones. Defaults to 256.

    Returns:
        np.ndarray: How often each occurs.

    Example:
        >>> count_values(np.array([[0, 2], [2, 2]]), 4).tolist()
        [1, 0, 3, 0]
    """
    flat = values.ravel()
    counts = np.zeros(size, np.int64)
    for start in range(0, flat.size, BLOCK):
        counts += np.bincount(flat[start : start + BLOCK], minlength=size)
    return counts
