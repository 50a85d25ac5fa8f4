import hashlib
from collections.abc import Sequence
from pathlib import Path

import cv2
import numpy as np

from custom_modules.datasets.index_masks import IGNORED

from .count_values import count_values
from .mask_values import MaskValues
from .object_areas import object_areas
from .pair_facts import PairFacts
from .read_picture import read_picture
from .squeezed_overlap import squeezed_overlap
from .thumbnail import thumbnail


class PairExaminer:
    """Measures one pair, each file of which is decoded once; threads may share it.

    Args:
        palette (Sequence[Sequence[int]]): RGB of each class.
        sizes (Sequence[tuple[int, int]]): (width, height) of each size to squeeze masks to.
        sampled (set[Path]): The images that a thumbnail is wanted of.
    """

    def __init__(
        self,
        palette: Sequence[Sequence[int]],
        sizes: Sequence[tuple[int, int]],
        sampled: set[Path] = frozenset(),
    ) -> None:
        self.palette = palette
        self.sizes = sizes
        self.sampled = sampled

    def __call__(self, image: Path | None, mask: Path | None, values: MaskValues) -> PairFacts:
        """Examine a pair.

        Args:
            image (Path, optional): The image, if there is one.
            mask (Path, optional): The mask, if there is one.
            values (MaskValues): What the mask may hold.

        Returns:
            PairFacts: All its defects; measurements only if it has none.
        """
        facts = PairFacts()
        pixels = self._read(facts, 'image', image, rgb=True)
        drawn = self._read(facts, 'mask', mask)
        if pixels is not None:
            digest = hashlib.blake2b(str(pixels.shape).encode(), digest_size=16)
            digest.update(np.ascontiguousarray(pixels))
            facts.digest = digest.digest()
        if drawn is None or image is None:
            return facts
        if drawn.ndim != 2:
            facts.defects.append(('several_channels', f'{drawn.shape[2]} channels'))
        elif wrong := values.stray(self._values(drawn)):
            listed = ', '.join(map(str, wrong[:6]))
            facts.defects.append(('stray_values', listed + (', ...' if len(wrong) > 6 else '')))
        if pixels is None:
            return facts
        if pixels.shape[:2] != drawn.shape[:2]:
            sizes = [f'{array.shape[1]}x{array.shape[0]}' for array in (pixels, drawn)]
            facts.defects.append(('size_mismatch', f'image {sizes[0]}, mask {sizes[1]}'))
        if not facts.defects:
            facts.sound = True
            self._measure_image(facts, pixels)
            labels = values.table[drawn.astype(np.uint8)]
            self._measure_mask(facts, drawn, labels)
            if image in self.sampled:
                facts.thumbnail = thumbnail(pixels, labels, self.palette)
        return facts

    @staticmethod
    def _read(facts, what, path, rgb=False):
        if path is None:
            return None
        array, reason = read_picture(path, rgb)
        if array is None:
            facts.defects.append((f'unreadable_{what}', reason))
        return array

    @staticmethod
    def _values(mask: np.ndarray) -> set[int]:
        if mask.dtype in (bool, np.uint8):
            return set(np.flatnonzero(count_values(mask)).tolist())
        return set(np.unique(mask).tolist())

    @staticmethod
    def _measure_image(facts, pixels):
        facts.size = pixels.shape[1], pixels.shape[0]
        facts.histogram = np.stack([count_values(pixels[..., c]) for c in range(3)])
        facts.black = cv2.countNonZero(cv2.inRange(pixels, (0, 0, 0), (0, 0, 0)))
        unblown = cv2.countNonZero(cv2.inRange(pixels, (0, 0, 0), (254, 254, 254)))
        facts.blown = pixels.shape[0] * pixels.shape[1] - unblown

    def _measure_mask(self, facts, drawn, labels):
        classes = len(self.palette)
        counts = count_values(labels)
        facts.counts, facts.ignored = counts[:classes], int(counts[IGNORED])
        facts.drawn = bool(((drawn != 0) & (labels != IGNORED)).any())
        facts.objects = object_areas(labels, classes)
        facts.overlaps = np.stack([squeezed_overlap(labels, size, classes) for size in self.sizes])
