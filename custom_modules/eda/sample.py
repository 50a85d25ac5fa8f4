import random
from pathlib import Path

import numpy as np

from .subject import Subject

SHOWN = 12


class Sample:
    """Random pairs to show, chosen before they are read, so that no file is read twice.

    Args:
        subject (Subject): The data set.
        chance (random.Random): Chooses.

    Attributes:
        candidates (set[Path]): Images to make a thumbnail of: twice as many as are shown, since some may have defects.
    """

    def __init__(self, subject: Subject, chance: random.Random) -> None:
        self.captions = {
            part.images[i]: f'{part.name}: {part.images[i].name}'
            for part in subject.parts
            for i in part.pairs
        }
        images = sorted(self.captions)
        self.order = chance.sample(images, min(2 * SHOWN, len(images)))
        self.candidates = set(self.order)
        self._thumbnails = {}

    def add(self, image: Path, thumbnail: np.ndarray | None) -> None:
        """Keep a thumbnail, if there is one."""
        if thumbnail is not None:
            self._thumbnails[image] = thumbnail

    def shown(self) -> list[tuple[str, np.ndarray]]:
        """Return up to twelve captions and thumbnails, in the order of chance."""
        kept = [image for image in self.order if image in self._thumbnails]
        return [(self.captions[image], self._thumbnails[image]) for image in kept[:SHOWN]]
