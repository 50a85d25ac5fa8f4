from dataclasses import dataclass
from pathlib import Path

import cv2
import numpy as np

from .confusion_scores import ConfusionScores


@dataclass(frozen=True)
class Prediction:
    """What a segmentor says of one image, beside the truth; all of one size (H, W).

    Args:
        img_path (str): The image's file.
        truth (np.ndarray): True class indices, uint8; 255 has no class.
        predicted (np.ndarray): Predicted class indices, uint8.
        probabilities (np.ndarray): Probability of each class (classes, H, W), float32.
    """

    img_path: str
    truth: np.ndarray
    predicted: np.ndarray
    probabilities: np.ndarray

    @property
    def name(self) -> str:
        """The image's file name without its suffix."""
        return Path(self.img_path).stem

    @property
    def image(self) -> np.ndarray:
        """The image (H, W, 3), RGB, read again and brought to the size of the truth."""
        # mmcv's reader, and so the training's, turns a photograph as its camera says; OpenCV does too
        read = cv2.imread(self.img_path, cv2.IMREAD_COLOR)
        size = self.truth.shape[::-1]
        if read.shape[1::-1] != size:
            shrinks = read.shape[0] > self.truth.shape[0]
            how = cv2.INTER_AREA if shrinks else cv2.INTER_LINEAR
            read = cv2.resize(read, size, interpolation=how)
        return read[..., ::-1]

    @property
    def scores(self) -> ConfusionScores:
        """The image's own scores."""
        return ConfusionScores.of(self.truth, self.predicted, len(self.probabilities))
