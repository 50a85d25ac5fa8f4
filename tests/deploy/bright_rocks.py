"""A detector for tests that takes what is bright for rock: exact to compute by hand, and no network to load."""

import numpy as np

from custom_modules.deploy import detector
from custom_modules.evaluation.exported import ModelCard

ROCK = ModelCard(
    task='segmentation',
    classes=('background', 'rock'),
    palette=((40, 40, 40), (230, 159, 0)),
    threshold=0.5,
    size=(64, 64),
    source='bright 0',
)


class BrightRocks:
    """The probability of a pixel is its brightness.

    Attributes:
        batches (list[int]): How many windows each call had.
    """

    def __init__(self, card: ModelCard = ROCK) -> None:
        self.card = card
        self.batches = []

    def __call__(self, images: np.ndarray) -> np.ndarray:
        assert images.dtype == np.uint8 and images.shape[1:] == (*self.card.size[::-1], 3)
        self.batches.append(len(images))
        return images.mean(axis=3, dtype=np.float32)[:, None] / 255


def bright_detector(monkeypatch, model=None, **settings) -> detector.RockDetector:
    """Make a RockDetector with this model in place of a file's."""
    model = model or BrightRocks()
    monkeypatch.setattr(detector, 'load_model', lambda *given, **where: model)
    return detector.RockDetector(**settings)
