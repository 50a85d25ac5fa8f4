from collections.abc import Sequence

import numpy as np
import pandas as pd
from skimage.measure import label

from custom_modules.datasets.index_masks import IGNORED
from custom_modules.evaluation.prediction import Prediction

# 1 to 3 pixels, 4 to 15, ...: 4^20 pixels are more than any image has
BINS = 20
FOUND = 0.5


class ObjectSizes:
    """How well objects are found, and how often they are invented, by their size.

    An object is a connected area of one class, neighbours over a corner included (8-connectivity). Sizes are pixels of
    area at the resolution of the scores, in bins that grow by the factor 4 (the side of a square by 2).

    Args:
        classes (Sequence[str]): Names of the classes, the background first.
    """

    def __init__(self, classes: Sequence[str]) -> None:
        self.classes = tuple(classes)
        # objects, their pixels, pixels found, objects found; predicted objects, those without a true pixel
        self.counts = np.zeros((len(classes), BINS, 6), np.int64)

    def add(self, prediction: Prediction) -> None:
        """Count one image.

        Args:
            prediction (Prediction): The image.
        """
        counted = prediction.truth != IGNORED
        for index, counts in enumerate(self.counts[1:], start=1):
            truth = prediction.truth == index
            predicted = (prediction.predicted == index) & counted
            areas, found = _areas_and_overlaps(truth, predicted)
            bins = _bin_of(areas)
            for column, values in enumerate([areas > 0, areas, found, found >= FOUND * areas]):
                np.add.at(counts[:, column], bins, values)
            areas, hits = _areas_and_overlaps(predicted, truth)
            for column, values in enumerate([areas > 0, hits == 0], start=4):
                np.add.at(counts[:, column], _bin_of(areas), values)

    def table(self) -> pd.DataFrame:
        """Lay out the counts, from the smallest size to the largest that occurs.

        Returns:
            pd.DataFrame: Per ``class`` and ``size`` (pixels): ``objects`` (true ones), ``pixels`` of them, ``recall`` (percent of
            these pixels that were found), ``found`` (percent of the objects of which at least half was found),
            ``predicted`` (predicted objects), ``false_alarms`` (percent of these without a single true pixel).
        """
        rows = []
        for name, counts in zip(self.classes[1:], self.counts[1:], strict=True):
            last = np.flatnonzero(counts.any(axis=1)).max(initial=-1)
            for size, (objects, pixels, hit, found, drawn, false) in enumerate(counts[: last + 1]):
                rows.append(
                    {
                        'class': name,
                        'size': f'{4**size}-{4 ** (size + 1) - 1}',
                        'objects': objects,
                        'pixels': pixels,
                        'recall': 100 * hit / pixels if pixels else np.nan,
                        'found': 100 * found / objects if objects else np.nan,
                        'predicted': drawn,
                        'false_alarms': 100 * false / drawn if drawn else np.nan,
                    }
                )
        columns = 'class size objects pixels recall found predicted false_alarms'
        return pd.DataFrame(rows, columns=columns.split())


def _areas_and_overlaps(mask: np.ndarray, other: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
    """Area of each connected part of a mask, and how many of its pixels the other mask has."""
    parts = label(mask, connectivity=2)
    count = parts.max() + 1
    areas = np.bincount(parts.ravel(), minlength=count)
    return areas[1:], np.bincount(parts[other], minlength=count)[1:]


def _bin_of(areas: np.ndarray) -> np.ndarray:
    # exact for whole numbers, which a logarithm is not
    return np.array([(int(area).bit_length() - 1) // 2 for area in areas], np.int64)
