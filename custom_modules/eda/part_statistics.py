from collections import Counter
from collections.abc import Sequence

import numpy as np

from .intensity import intensity
from .object_sizes import object_sizes
from .pair_facts import PairFacts
from .quantiles import quantiles
from .squeezed_scores import squeezed_scores


class PartStatistics:
    """Gathers the sound pairs of one part, in memory that hardly grows with their number.

    Args:
        classes (Sequence[str]): Names of the classes.
        sizes (Sequence[tuple[int, int]]): (width, height) of each size that masks were squeezed to.
        load_size (tuple[int, int], optional): (width, height) of training.
    """

    def __init__(
        self,
        classes: Sequence[str],
        sizes: Sequence[tuple[int, int]],
        load_size: tuple[int, int] | None,
    ) -> None:
        self.classes = classes
        self.sizes = sizes
        self.load_size = load_size
        self.image_sizes = Counter()
        self.histogram = np.zeros((3, 256), np.int64)
        self.black = self.blown = self.ignored = 0
        self.brightness = []
        # pixels of each class in each mask, as ClassPixels takes them
        self.counts = []
        # of every class but the first: pixels of each object, how many there are in each image, and the image's pixels
        self.objects = [[] for _ in classes[1:]]
        self.overlaps = np.zeros((len(sizes), len(classes), 3), np.int64)

    def add(self, facts: PairFacts) -> None:
        """Add a sound pair."""
        self.image_sizes[facts.size] += 1
        self.histogram += facts.histogram
        self.brightness.append(
            float(facts.histogram.sum(axis=0) @ np.arange(256) / facts.histogram.sum())
        )
        self.black += facts.black
        self.blown += facts.blown
        self.ignored += facts.ignored
        self.counts.append(facts.counts)
        for gathered, areas in zip(self.objects, facts.objects, strict=True):
            gathered.append((areas, facts.size[0] * facts.size[1]))
        self.overlaps += facts.overlaps

    def summary(self) -> dict:
        """Sum up.

        Returns:
            dict: Ready for JSON; all shares and scores in percent, all sizes in pixels.
        """
        counts = np.array(self.counts, np.int64).reshape(-1, len(self.classes))
        pixels, masks = counts.sum(axis=0), (counts > 0).sum(axis=0)
        total = max(1, int(pixels.sum()))
        sizes = sorted(self.image_sizes.items(), key=lambda item: (-item[1], item[0]))
        return dict(
            pairs=len(counts),
            image_sizes={f'{width}x{height}': count for (width, height), count in sizes},
            classes=[
                dict(
                    name=name,
                    pixels=int(pixels[i]),
                    share_percent=100 * int(pixels[i]) / total,
                    masks=int(masks[i]),
                )
                for i, name in enumerate(self.classes)
            ],
            ignored_percent=100 * self.ignored / max(1, int(pixels.sum()) + self.ignored),
            objects=[
                dict(name=name, **object_sizes(found, self.load_size))
                for name, found in zip(self.classes[1:], self.objects, strict=True)
            ],
            intensity=dict(
                intensity(self.histogram, self.black, self.blown) or {},
                image_brightness=quantiles(self.brightness),
            ),
            squeezed={
                f'{width}x{height}': squeezed_scores(overlap, self.classes)
                for (width, height), overlap in zip(self.sizes, self.overlaps, strict=True)
            },
        )
