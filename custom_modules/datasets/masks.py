"""Class masks: which values they may hold, how many pixels each class has, class weights and colours."""

import json
from collections.abc import Iterable, Mapping, Sequence
from pathlib import Path

import cv2
import numpy as np

from custom_modules.utils.errors import UsageError
from custom_modules.utils.tables import in_threads

IGNORED = 255  # mmseg's ignore_index


class MaskValues:
    """The values that a mask may hold, and the label of each.

    Args:
        classes, label_map, ignore_index: Of ``IndexedMaskDataset``.
        sets (Sequence[Iterable[int]], optional): The values of one mask must all be in one of these sets. Defaults to one set of
            all values that have a label.
        palette (Sequence[Sequence[int]]): RGB of each class, which a mask's own palette must not contradict.

    Raises:
        UsageError: If ``classes`` is not a list of different names, or a value is mapped to no class, or to one and also ignored.

    Example:
        >>> values = MaskValues(('background', 'rock'), {0: 0, '1': 1, '255': 1}, ignore_index=9)
        >>> values.labels, values.stray({0, 7})
        ({0: 0, 1: 1, 255: 1, 9: 255}, [7])
        >>> MaskValues(('background', 'rock'), {0: 0, 1: 1, 255: 1}, sets=[{0, 255}, {0, 1}]).stray({0, 1, 255})
        [0, 1, 255]
    """

    def __init__(
        self,
        classes: Sequence[str],
        label_map: Mapping[int | str, int] | Sequence[Sequence[int]] | None = None,
        ignore_index: int | Sequence[int] | None = None,
        sets: Sequence[Iterable[int]] | None = None,
        palette: Sequence[Sequence[int]] = (),
    ) -> None:
        if isinstance(classes, str) or not 2 <= len(set(classes)) == len(classes) <= IGNORED:
            raise UsageError(f'classes is a list of 2 to {IGNORED} different names, the background first, got {classes!r}.')
        label_of = dict(enumerate(range(len(classes))) if label_map is None else label_map)
        for value, label in label_of.items():
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
        self.labels = {int(value): int(label) for value, label in label_of.items()}
        for value in [] if ignore_index is None else dict.fromkeys(np.atleast_1d(ignore_index).tolist()):
            if value not in range(256):
                raise UsageError(f'ignore_index is a mask value from 0 to 255, several, or None, got {value!r}.')
            if value in self.labels:
                name = classes[self.labels[value]]
                raise UsageError(
                    f'ignore_index={value} is also the mask value of class {name!r}: leave it out of label_map, or out of ignore_index.'
                )
            self.labels[value] = IGNORED
        self.sets = tuple(map(frozenset, sets or [self.labels]))
        self.table = np.full(256, IGNORED, np.uint8)  # the label of each value
        self.table[list(self.labels)] = list(self.labels.values())
        self.class_of = {tuple(colour): label for label, colour in enumerate(palette)}  # by its RGB

    def stray(self, values: set[int]) -> list[int]:
        """List the values of a mask that are not allowed; all of them if there are several sets and none fits."""
        if any(values <= allowed for allowed in self.sets):
            return []
        return sorted(values - self.sets[0] if len(self.sets) == 1 else values)

    def contradiction(self, colours: Mapping[int, tuple[int, int, int]]) -> str:
        """Describe where a mask's palette (RGB of each index that occurs) has another class's colour; empty if nowhere."""
        if not set(colours.values()) <= set(self.class_of):
            return ''
        for index, colour in colours.items():
            if self.labels.get(index) not in (None, self.class_of[colour]):
                return f'index {index} is class {self.labels[index]} in the colour of class {self.class_of[colour]}'
        return ''

    def absent(self, values: set[int]) -> list[str]:
        """Name the classes to which none of these mask values belongs."""
        occurring = {self.labels[value] for value in values}
        return [name for index, name in enumerate(self.classes) if index not in occurring]


def count_pixels(dataset) -> np.ndarray:
    """Count the pixels of each class in each full-size mask of a mmseg data set: (masks, classes), without ignored pixels.

    Raises a UsageError if a label has no class.
    """
    from custom_modules.datasets.transforms import LoadAnnotations

    classes, load = dataset.metainfo['classes'], LoadAnnotations()

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

    return np.array(in_threads(count, range(len(dataset)), 'Counting pixels'))


def class_weights(classes: Sequence[str], counts: Sequence[np.ndarray]) -> dict:
    """Suggest class weights from the pixels of each class in each mask of the training part (masks, classes).

    Only ratios matter: mmseg's softmax ``CrossEntropyLoss`` divides by the summed weights, so ``[1, 2]`` and ``[2, 4]`` train
    alike. If a class has no pixel, all are None and ``reason`` says why.

    - ``inverse_frequency``: 1 / (classes * share of the pixels); the mean over the pixels is 1.
    - ``median_frequency``: median frequency / own frequency, which is the share in the masks that contain the class, so a large
      class in few masks gets no huge weight. From `Predicting Depth, Surface Normals and Semantic Labels
      <https://arxiv.org/abs/1411.4734>`_ (Eigen, Fergus).
    - ``positive_weight``, only of two classes: background pixels per pixel of class 1, for one sigmoid channel.

    Example:
        >>> weights = class_weights(('ground', 'sky', 'rock'), np.array([[60, 30, 10], [100, 0, 0]]))
        >>> [round(weight, 3) for weight in weights['median_frequency']]
        [0.375, 1.0, 3.0]
    """
    weights = dict.fromkeys(['inverse_frequency', 'median_frequency'])
    if len(classes) == 2:
        weights['positive_weight'] = None
    counts = np.array(counts, np.int64).reshape(-1, len(classes))
    pixels = counts.sum(axis=0)
    if absent := [name for name, found in zip(classes, pixels, strict=True) if not found]:
        reason = (
            f'there is no pixel of {", ".join(absent)} in the {len(counts)} masks, so that no weight can be computed: '
            'take it out of classes, or add masks that contain it.'
        )
        return dict(weights, reason=reason)
    weights['inverse_frequency'] = (1 / (len(classes) * (pixels / pixels.sum()))).tolist()
    frequencies = pixels / ((counts > 0) * counts.sum(axis=1, keepdims=True)).sum(axis=0)
    weights['median_frequency'] = (np.median(frequencies) / frequencies).tolist()
    if len(classes) == 2:
        weights['positive_weight'] = float(pixels[0] / pixels[1])
    return dict(weights, reason=None)


def read_class_weights(path: str | Path) -> list[float]:
    """Read class weights, a list of numbers in ``.json`` or an array in ``.npy``; a UsageError if it is anything else.

    mmseg's own reader also accepts pickles and unsafe YAML, which can run code.
    """
    path = Path(path)
    how = 'save them so, or write them as a list of numbers'
    if path.suffix not in ('.json', '.npy'):
        raise UsageError(f'{path} is not read, since a file holds the weights of classes as .json or .npy: {how}.')
    try:
        found = np.load(path) if path.suffix == '.npy' else json.loads(path.read_bytes())
        found = np.asarray(found, float)
    except (OSError, ValueError, TypeError, EOFError, RecursionError) as error:
        raise UsageError(f'{path} holds no numbers that can be read ({error}): {how}.') from error
    if found.ndim != 1 or not np.isfinite(found).all():
        raise UsageError(f'{path} holds no list of numbers, one for each class: {how}.')
    return found.tolist()


# Okabe and Ito's colours, distinguishable with every common colour blindness, with dark grey instead of black
OKABE_ITO = [
    [40, 40, 40], [230, 159, 0], [86, 180, 233], [0, 158, 115],
    [240, 228, 66], [0, 114, 178], [213, 94, 0], [204, 121, 167],
]  # fmt: skip


def class_palette(count: int, chosen: Sequence[Sequence[int]] | None = None) -> list[Sequence[int]]:
    """Return an RGB colour for each class: those chosen, or else ones that colour-blind readers can tell apart; or a UsageError.

    Up to eight classes get the colours of Okabe and Ito. No larger set of hues is safe: more classes get steps of the viridis
    map, whose lightness grows with the index.
    """
    if chosen is not None:
        if len(chosen) != count or any(len(colour) != 3 for colour in chosen):
            raise UsageError(
                f'palette holds red, green and blue for each of the {count} classes, got {list(chosen)}: give one colour each, or leave it out.'
            )
        return list(chosen)
    if count <= len(OKABE_ITO):
        return OKABE_ITO[:count]
    # viridis begins as dark as class 0, so its first fifth is left out
    steps = np.linspace(50, 255, count - 1).round().astype(np.uint8)
    bgr = cv2.applyColorMap(steps[:, None], cv2.COLORMAP_VIRIDIS)[:, 0]
    return [OKABE_ITO[0], *bgr[:, ::-1].tolist()]
