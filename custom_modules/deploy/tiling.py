"""Probability maps: predicted in overlapping windows, and resized to a picture strip by strip."""

import math
from collections.abc import Iterator

import cv2
import numpy as np

STEPS = 65535  # of a probability as uint16: rounding changes it by less than 0.00001
STRIP = 256  # rows that are resized at a time
KEPT = 2**20  # most probabilities that are kept at a picture's size


def window_starts(length: int, size: int, overlap: float) -> list[int]:
    """Give the first pixels of evenly spaced windows along one side, of which neighbours share at least ``overlap`` (0 to below 1).

    Example:
        >>> window_starts(300, 128, 0.25)
        [0, 86, 172]
    """
    if length <= size:
        return [0]
    step = max(1, int(size * (1 - overlap)))
    count = -(-(length - size) // step) + 1
    return [round(i * (length - size) / (count - 1)) for i in range(count)]


def _ramp(size: int, overlap: float) -> np.ndarray:
    """Weights of a window's pixels along one side: they rise over the overlap, so that no seam is visible."""
    centres = np.arange(size, dtype=np.float32) + 0.5
    return np.minimum(1, np.minimum(centres, size - centres) / max(1.0, overlap * size))


def map_of_tiles(model, picture: np.ndarray, overlap: float, batch_size: int) -> np.ndarray:
    """Predict a picture in overlapping windows of the model's size, ``batch_size`` at a time, and blend them.

    The picture is RGB (H, W, 3), uint8, at the scale that the model shall see. Returns probabilities (K, H, W) in steps of
    1/65535, uint16. Only one row of windows is held in full precision, so memory grows by two bytes per pixel and channel.
    """
    height, width = picture.shape[:2]
    columns, rows = model.card.size
    # a picture smaller than a window is padded with its mirror image
    missing = max(0, rows - height), max(0, columns - width)
    if any(missing):
        border = cv2.BORDER_REFLECT_101 if min(height, width) > 1 else cv2.BORDER_REPLICATE
        picture = cv2.copyMakeBorder(picture, 0, missing[0], 0, missing[1], border)
    tops = window_starts(picture.shape[0], rows, overlap)
    lefts = window_starts(picture.shape[1], columns, overlap)
    row_weights, column_weights = _ramp(rows, overlap), _ramp(columns, overlap)
    weights = row_weights[:, None] * column_weights
    # the windows are a grid, so the sum of their weights at a pixel is the product of a row's and a column's
    row_sums, column_sums = (np.zeros(side, np.float32) for side in picture.shape[:2])
    for starts, ramp, sums in ((tops, row_weights, row_sums), (lefts, column_weights, column_sums)):
        for start in starts:
            sums[start : start + len(ramp)] += ramp
    windows = [(top, left) for top in tops for left in lefts]
    # band: weighted sums of the rows from `done` on, to which windows still add
    prob_map, band, done = None, None, 0
    for first in range(0, len(windows), batch_size):
        batch = windows[first : first + batch_size]
        probabilities = model(np.stack([picture[t : t + rows, left : left + columns] for t, left in batch]))
        if prob_map is None:
            prob_map = np.empty((probabilities.shape[1], *picture.shape[:2]), np.uint16)
            band = np.zeros((len(prob_map), 0, prob_map.shape[2]), np.float32)
        needed = batch[-1][0] + rows - done - band.shape[1]
        band = np.pad(band, ((0, 0), (0, max(0, needed)), (0, 0)))
        for (top, left), probability in zip(batch, probabilities, strict=True):
            band[:, top - done : top - done + rows, left : left + columns] += probability * weights
        # rows above the next window are complete
        following = windows[first + len(batch) :]
        end = following[0][0] if following else picture.shape[0]
        prob_map[:, done:end] = in_steps(band[:, : end - done] / (row_sums[done:end, None] * column_sums))
        band, done = band[:, end - done :], end
    return np.ascontiguousarray(prob_map[:, :height, :width])


def in_steps(probabilities: np.ndarray) -> np.ndarray:
    """Round probabilities to steps of 1/65535, uint16."""
    return np.rint(probabilities * STEPS).astype(np.uint16)


class Strips:
    """A map (K, h, w), uint16, resized to a picture's size (width, height), a strip of rows at a time; bilinear, as mmseg does.

    Iterating gives the rows, and their probabilities (K, rows, width), float32. Those of a small picture are kept for the next time.
    """

    def __init__(self, prob_map: np.ndarray, size: tuple[int, int]) -> None:
        self.size, self._prob_map = size, prob_map
        self._kept = list(self._resized()) if len(prob_map) * math.prod(size) <= KEPT else None

    def __iter__(self) -> Iterator[tuple[slice, np.ndarray]]:
        return self._resized() if self._kept is None else iter(self._kept)

    def _resized(self) -> Iterator[tuple[slice, np.ndarray]]:
        (width, height), prob_map = self.size, self._prob_map
        rows = prob_map.shape[1]
        for top in range(0, height, STRIP):
            end = min(top + STRIP, height)
            # align_corners=False: pixels are areas
            y = ((np.arange(top, end) + 0.5) * (rows / height) - 0.5).clip(0, rows - 1)
            above = y.astype(int)
            below = np.minimum(above + 1, rows - 1)
            share = (y - above).astype(np.float32)[:, None]
            first, last = above[0], below[-1] + 1
            resized = np.empty((len(prob_map), end - top, width), np.float32)
            for channel, upper in zip(prob_map[:, first:last], resized, strict=True):
                part = channel.astype(np.float32)
                if part.shape[1] != width:
                    part = cv2.resize(part, (width, len(part)), interpolation=cv2.INTER_LINEAR)
                # in place: a strip of a mosaic has millions of pixels
                np.multiply(part[above - first], 1 - share, out=upper)
                lower = part[below - first]
                lower *= share
                upper += lower
                upper /= STEPS
            yield slice(top, end), resized


def labels_of(strips: Strips, threshold: float | None) -> np.ndarray:
    """Decide each pixel's class (H, W), uint8, from probabilities at a picture's size.

    One channel is class 1 above the threshold; of several the most probable class is taken.
    """
    labels = np.empty(strips.size[::-1], np.uint8)
    for rows, probabilities in strips:
        labels[rows] = probabilities[0] > threshold if len(probabilities) == 1 else probabilities.argmax(axis=0)
    return labels
