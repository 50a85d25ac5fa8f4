"""Masks of class indices, their pixels and their colours."""

import json
from collections.abc import Mapping, Sequence
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path

import cv2
import numpy as np

from custom_modules.datasets.pairs import MaskValues, check_pairs, warn
from custom_modules.utils.errors import UsageError
from custom_modules.utils.tables import progress

# the label that mmseg's losses and scores leave out
IGNORED = 255


class IndexMasks:
    """What masks hold: the label of every value, all others are refused.

    Args:
        classes (Sequence[str]): Names of the classes.
        label_map (Mapping[int | str, int] or Sequence, optional): Class index of each mask value, also as a list of
            pairs. None (default) takes the values as class indices.
        ignore_index (int | Sequence[int], optional): Mask value without a class, or several; their label is 255. None (default)
            if there is none.

    Raises:
        UsageError: If the classes are not a list of different names, or a value leads to none of them.

    Example:
        >>> IndexMasks(('background', 'rock'), {0: 0, '1': 0, '2': 1}, ignore_index=9).labels
        {0: 0, 1: 0, 2: 1, 9: 255}
    """

    def __init__(
        self,
        classes: Sequence[str],
        label_map: Mapping[int | str, int] | Sequence[Sequence[int]] | None = None,
        ignore_index: int | Sequence[int] | None = None,
    ) -> None:
        if isinstance(classes, str) or not 2 <= len(set(classes)) == len(classes) <= IGNORED:
            raise UsageError(
                f'classes is a list of 2 to {IGNORED} different names, the background first, got {classes!r}.'
            )
        if label_map is None:
            label_map = {index: index for index in range(len(classes))}
        label_map = dict(label_map)
        for value, label in label_map.items():
            if not str(value).isdecimal() or int(value) > 255:
                raise UsageError(
                    f'label_map maps mask values, whole numbers from 0 to 255, to class indices, got the value '
                    f'{value!r}: write it as label_map={{0: 0, 255: 1}}.'
                )
            if label not in range(len(classes)):
                raise UsageError(
                    f'label_map maps the mask value {value} to {label!r}, but the {len(classes)} classes ({", ".join(classes)}) have the indices '
                    f'0 to {len(classes) - 1}: choose one of them, or leave the value out and name it in ignore_index.'
                )
        self.classes = tuple(classes)
        self.labels = {int(value): int(label) for value, label in label_map.items()}
        for value in () if ignore_index is None else np.atleast_1d(ignore_index).tolist():
            if value not in range(256):
                raise UsageError(
                    f'ignore_index is a mask value from 0 to 255, several of them, or None, got {value!r}.'
                )
            if value in self.labels:
                name = classes[self.labels[value]]
                raise UsageError(
                    f'ignore_index={value} is also the mask value of class {name!r}: leave it out of label_map, or out of ignore_index.'
                )
            self.labels[value] = IGNORED

    def check(
        self, pairs: Sequence[tuple[Path, Path]], palette: Sequence[Sequence[int]] = ()
    ) -> set[int]:
        """Read every pair of image and mask once, and return the values that occur in the masks.

        Args:
            pairs (Sequence[tuple[Path, Path]]): Image and mask.
            palette (Sequence[Sequence[int]]): RGB of each class, which a mask's own palette must not contradict.

        Raises:
            UsageError: If a file cannot be used; the sentence says why.
        """
        values = sorted(self.labels)
        whole = values == list(range(len(values)))
        remedy = 'give each value its class in label_map, such as label_map={0: 0, 255: 1} for masks of 0/255'
        if IGNORED not in self.labels.values():
            remedy += ', or set ignore_index=255 if 255 marks pixels without a class'
        return check_pairs(
            pairs,
            MaskValues(self.labels, palette=palette),
            f'0 to {values[-1]}' if whole else ', '.join(map(str, values)),
            remedy,
            'save them with one channel that holds the class index of each pixel',
        )

    def warn_of_absent_classes(self, values: set[int], where: str) -> None:
        """Say which classes have no pixel among the values that occur in ``where``: they can neither be learned nor scored."""
        occurring = {self.labels[value] for value in values}
        absent = [name for index, name in enumerate(self.classes) if index not in occurring]
        if absent:
            warn(
                f'there is no pixel of {", ".join(absent)} in {where}: it can neither be learned nor scored there'
            )


class ClassPixels:
    """How many pixels each class has in each mask, and the class weights that follow from it.

    Weights are relative: mmseg's softmax ``CrossEntropyLoss`` divides by the weights of the pixels it has
    averaged over, so ``[1, 2]`` and ``[2, 4]`` train alike.

    Args:
        classes (Sequence[str]): Names of the classes.
        counts (np.ndarray): Pixels (masks, classes); ignored ones are not counted.

    Example:
        >>> import numpy as np
        >>> pixels = ClassPixels(('ground', 'sky', 'rock'), np.array([[60, 30, 10], [100, 0, 0]]))
        >>> pixels.median_frequency().round(3).tolist()
        [0.375, 1.0, 3.0]
    """

    def __init__(self, classes: Sequence[str], counts: np.ndarray) -> None:
        self.classes = tuple(classes)
        self.counts = np.asarray(counts, np.int64)

    @classmethod
    def from_dataset(cls, dataset) -> 'ClassPixels':
        """Count the masks of a data set of mmseg's kind at their full size, read and mapped as training reads them.

        Raises:
            UsageError: If a mask holds a label without a class.
        """
        from custom_modules.datasets.transforms import LoadAnnotations

        classes = dataset.metainfo['classes']
        load = LoadAnnotations()

        def count(index: int) -> np.ndarray:
            info = dataset.get_data_info(index)
            pixels = np.bincount(load(info)['gt_seg_map'].ravel(), minlength=IGNORED + 1)
            unknown = np.flatnonzero(pixels[len(classes) : IGNORED])
            if unknown.size:
                raise UsageError(
                    f'{info["seg_map_path"]} holds the label {len(classes) + unknown[0]}, but the {len(classes)} classes ({", ".join(classes)}) '
                    f'have the labels 0 to {len(classes) - 1}: name all classes, or map the value to one of them with label_map.'
                )
            return pixels[: len(classes)]

        # decoding releases the interpreter's lock, so threads help
        with ThreadPoolExecutor() as pool:
            counted = pool.map(count, range(len(dataset)))
            return cls(classes, list(progress(counted, 'Counting pixels', len(dataset))))

    @property
    def pixels(self) -> np.ndarray:
        """Pixels of each class."""
        return self.counts.sum(axis=0)

    @property
    def images(self) -> np.ndarray:
        """Masks that contain each class."""
        return (self.counts > 0).sum(axis=0)

    @property
    def shares(self) -> np.ndarray:
        """Share of each class in all pixels with a class."""
        return self.pixels / self.pixels.sum()

    # each of these raises a UsageError if a class has no pixel

    def inverse_frequency(self) -> np.ndarray:
        """Weigh each class by 1 / (classes * share): all classes count alike, and the mean over the pixels is 1."""
        self._require_all()
        return 1 / (len(self.classes) * self.shares)

    def median_frequency(self) -> np.ndarray:
        """Weigh each class by the median of the frequencies, divided by its own; the class in the middle has 1.

        A class's frequency is its share in the masks that contain it, so that a class that is large but found in
        few masks gets no huge weight. From `Predicting Depth, Surface Normals and Semantic Labels with a Common
        Multi-Scale Convolutional Architecture <https://arxiv.org/abs/1411.4734>`_.
        """
        self._require_all()
        sizes = self.counts.sum(axis=1)
        frequencies = self.pixels / ((self.counts > 0) * sizes[:, None]).sum(axis=0)
        return np.median(frequencies) / frequencies

    def positive_weight(self) -> float:
        """Weigh class 1 of two, as one sigmoid channel needs it: background pixels per pixel of class 1."""
        self._require_all()
        background, rock = self.pixels
        return float(background / rock)

    def _require_all(self) -> None:
        absent = [name for name, found in zip(self.classes, self.pixels, strict=True) if not found]
        if absent:
            raise UsageError(
                f'there is no pixel of {", ".join(absent)} in the {len(self.counts)} masks, so that no weight can be computed: '
                'take it out of classes, or add masks that contain it.'
            )


def class_weights(classes: Sequence[str], counts: Sequence[np.ndarray]) -> dict:
    """Suggest class weights by the pixels of each class in each mask of the training part, those of :class:`ClassPixels`.

    Returns:
        dict: ``inverse_frequency`` and ``median_frequency``, and with two classes ``positive_weight`` for a head of
        one channel; all None with a ``reason`` where a class has no pixel.
    """
    pixels = ClassPixels(classes, np.array(counts, np.int64).reshape(-1, len(classes)))
    binary = len(classes) == 2
    names = ['inverse_frequency', 'median_frequency'] + ['positive_weight'] * binary
    try:
        found = [np.asarray(getattr(pixels, name)()).tolist() for name in names]
    except UsageError as error:
        return dict(dict.fromkeys(names), reason=str(error))
    return dict(zip(names, found, strict=True), reason=None)


def read_class_weights(path: str | Path) -> list[float]:
    """Read the weights of classes from a file of numbers. mmseg reads pickles and any YAML too, and runs what they say.

    Args:
        path (str | Path): A list of numbers as ``.json``, or an array as ``.npy``.

    Raises:
        UsageError: If it is not there, of another kind, or holds anything else.
    """
    path = Path(path)
    how = 'save them so, or write them as a list of numbers'
    if path.suffix not in ('.json', '.npy'):
        raise UsageError(
            f'{path} is not read, since a file holds the weights of classes as .json or .npy: {how}.'
        )
    try:
        found = np.load(path) if path.suffix == '.npy' else json.loads(path.read_bytes())
        found = np.asarray(found, float)
    except (OSError, ValueError, TypeError, EOFError, RecursionError) as error:
        raise UsageError(f'{path} holds no numbers that can be read ({error}): {how}.') from error
    if found.ndim != 1 or not np.isfinite(found).all():
        raise UsageError(f'{path} holds no list of numbers, one for each class: {how}.')
    return found.tolist()


# Okabe and Ito's colours, told apart with every common colour blindness, on a dark background
OKABE_ITO = [
    [40, 40, 40], [230, 159, 0], [86, 180, 233], [0, 158, 115],
    [240, 228, 66], [0, 114, 178], [213, 94, 0], [204, 121, 167],
]  # fmt: skip


def class_palette(count: int, chosen: Sequence[Sequence[int]] | None = None) -> list[Sequence[int]]:
    """Give ``count`` classes colours (RGB) that colour-blind readers can tell apart, unless others are chosen.

    Up to eight classes get the colours of Okabe and Ito. Beyond, no set of hues is safe: they get steps of the
    viridis map, whose lightness grows with the index.

    Raises:
        UsageError: If the chosen colours are not one for each class.
    """
    if chosen is not None:
        if len(chosen) != count or any(len(colour) != 3 for colour in chosen):
            raise UsageError(
                f'palette holds red, green and blue for each of the {count} classes, got {list(chosen)}: give one colour each, or leave it out.'
            )
        return list(chosen)
    if count <= len(OKABE_ITO):
        return OKABE_ITO[:count]
    # the map begins as dark as class 0
    steps = np.linspace(50, 255, count - 1).round().astype(np.uint8)
    bgr = cv2.applyColorMap(steps[:, None], cv2.COLORMAP_VIRIDIS)[:, 0]
    return [OKABE_ITO[0], *bgr[:, ::-1].tolist()]
