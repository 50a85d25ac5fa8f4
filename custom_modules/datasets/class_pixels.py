from collections.abc import Sequence
from concurrent.futures import ThreadPoolExecutor

import numpy as np

from custom_modules.preparation.progress import progress
from custom_modules.usage_error import UsageError

from .index_masks import IGNORED


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
    def of(cls, dataset) -> 'ClassPixels':
        """Count a data set's masks at their full size, read and mapped as training reads them.

        Args:
            dataset (BaseSegDataset): Any data set of mmseg's kind.

        Returns:
            ClassPixels: The counts.

        Raises:
            UsageError: If a mask holds a label without a class.
        """
        from mmseg.datasets.transforms import LoadAnnotations

        classes = dataset.metainfo['classes']
        load = LoadAnnotations()

        def count(index: int) -> np.ndarray:
            info = dataset.get_data_info(index)
            pixels = np.bincount(load(info)['gt_seg_map'].ravel(), minlength=IGNORED + 1)
            unknown = np.flatnonzero(pixels[len(classes) : IGNORED])
            if unknown.size:
                raise UsageError(
                    f'{info["seg_map_path"]} holds the label {len(classes) + unknown[0]}, but the {len(classes)} '
                    f'classes ({", ".join(classes)}) have the labels 0 to {len(classes) - 1}: name all classes, or '
                    'map the value to one of them with label_map.'
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

    def inverse_frequency(self) -> np.ndarray:
        """Weigh each class by 1 / (classes * share): all classes count alike, and the mean over the pixels is 1.

        Raises:
            UsageError: If a class has no pixel.
        """
        self._require_all()
        return 1 / (len(self.classes) * self.shares)

    def median_frequency(self) -> np.ndarray:
        """Weigh each class by the median of the frequencies, divided by its own; the class in the middle has 1.

        A class's frequency is its share in the masks that contain it, so that a class that is large but found in
        few masks gets no huge weight. From `Predicting Depth, Surface Normals and Semantic Labels with a Common
        Multi-Scale Convolutional Architecture <https://arxiv.org/abs/1411.4734>`_.

        Raises:
            UsageError: If a class has no pixel.
        """
        self._require_all()
        sizes = self.counts.sum(axis=1)
        frequencies = self.pixels / ((self.counts > 0) * sizes[:, None]).sum(axis=0)
        return np.median(frequencies) / frequencies

    def positive_weight(self) -> float:
        """Weigh class 1 of two, as one sigmoid channel needs it: background pixels per pixel of class 1.

        Raises:
            UsageError: If a class has no pixel.
        """
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
