"""From a picture of any size to a map of probabilities and back: at once, or in overlapping windows."""

from collections.abc import Iterator

import cv2
import numpy as np

# of a map; rounding to it moves a probability by less than 0.00001
STEPS = 65535
STRIP = 256


def window_starts(length: int, size: int, overlap: float) -> list[int]:
    """Give the first pixels of windows along one side, evenly, so that each covers at least a share (0 to below 1) of its neighbour.

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
    """Weights of a window's pixels along one side: they rise over the overlap, so that no seam is seen."""
    rise = max(1.0, overlap * size)
    place = np.arange(size, dtype=np.float32) + 0.5
    return np.minimum(1, np.minimum(place, size - place) / rise)


def map_of_tiles(model, picture: np.ndarray, overlap: float, batch_size: int) -> np.ndarray:
    """Predict a picture in overlapping windows of the model's size, ``batch_size`` at a time, and blend them.

    Of RGB (H, W, 3), uint8, at the scale that the model shall see, and a window's least share in its neighbour, it
    makes probabilities (K, H, W) in steps of 1/65535, uint16. Only one row of windows is held in full precision, so
    that memory grows by two bytes per pixel and channel.
    """
    height, width = picture.shape[:2]
    columns, rows = model.card.size
    # a picture smaller than a window is continued by its mirror image
    missing = max(0, rows - height), max(0, columns - width)
    if any(missing):
        border = cv2.BORDER_REFLECT_101 if min(height, width) > 1 else cv2.BORDER_REPLICATE
        picture = cv2.copyMakeBorder(picture, 0, missing[0], 0, missing[1], border)
    tops = window_starts(picture.shape[0], rows, overlap)
    lefts = window_starts(picture.shape[1], columns, overlap)
    rise, across = _ramp(rows, overlap), _ramp(columns, overlap)
    weight = rise[:, None] * across
    # the windows are a grid: the sum of their weights is a product
    share = [np.zeros(side, np.float32) for side in picture.shape[:2]]
    for starts, ramp, total in ((tops, rise, share[0]), (lefts, across, share[1])):
        for start in starts:
            total[start : start + len(ramp)] += ramp
    windows = [(top, left) for top in tops for left in lefts]
    found, band, done = None, None, 0
    for first in range(0, len(windows), batch_size):
        batch = windows[first : first + batch_size]
        probabilities = model(np.stack([picture[t : t + rows, left : left + columns] for t, left in batch]))
        if found is None:
            found = np.empty((probabilities.shape[1], *picture.shape[:2]), np.uint16)
            band = np.zeros((found.shape[0], 0, found.shape[2]), np.float32)
        needed = batch[-1][0] + rows - done - band.shape[1]
        band = np.pad(band, ((0, 0), (0, max(0, needed)), (0, 0)))
        for (top, left), probability in zip(batch, probabilities, strict=True):
            band[:, top - done : top - done + rows, left : left + columns] += probability * weight
        # above the next window nothing is added any more
        following = windows[first + len(batch) :]
        end = following[0][0] if following else picture.shape[0]
        found[:, done:end] = in_steps(band[:, : end - done] / (share[0][done:end, None] * share[1]))
        band, done = band[:, end - done :], end
    return np.ascontiguousarray(found[:, :height, :width])


def in_steps(probabilities: np.ndarray) -> np.ndarray:
    """Bring probabilities to steps of 1/65535, uint16."""
    return np.rint(probabilities * STEPS).astype(np.uint16)


def strips(found: np.ndarray, size: tuple[int, int]) -> Iterator[tuple[slice, np.ndarray]]:
    """Enlarge or shrink a map (K, h, w), uint16, to a picture's size (width, height), a strip of rows at a time; bilinear, as mmseg does.

    It yields the rows, and their probabilities (K, rows, width), float32.
    """
    width, height = size
    rows = found.shape[1]
    for top in range(0, height, STRIP):
        end = min(top + STRIP, height)
        # pixels are areas: the middle of one is the middle of the other
        place = ((np.arange(top, end) + 0.5) * (rows / height) - 0.5).clip(0, rows - 1)
        above = place.astype(int)
        below = np.minimum(above + 1, rows - 1)
        share = (place - above).astype(np.float32)[:, None]
        first, last = above[0], below[-1] + 1
        enlarged = np.empty((len(found), end - top, width), np.float32)
        for channel, upper in zip(found[:, first:last], enlarged, strict=True):
            part = channel.astype(np.float32)
            if part.shape[1] != width:
                part = cv2.resize(part, (width, len(part)), interpolation=cv2.INTER_LINEAR)
            # in place: there are millions of pixels
            np.multiply(part[above - first], 1 - share, out=upper)
            lower = part[below - first]
            lower *= share
            upper += lower
            upper /= STEPS
        yield slice(top, end), enlarged


def labels_of(found: np.ndarray, size: tuple[int, int], threshold: float | None) -> np.ndarray:
    """Decide each pixel's class (H, W), uint8, at a picture's size (width, height), from a map (K, h, w), uint16.

    One channel is class 1 above the threshold; of several the most probable class is taken.
    """
    labels = np.empty(size[::-1], np.uint8)
    for rows, probabilities in strips(found, size):
        labels[rows] = probabilities[0] > threshold if len(probabilities) == 1 else probabilities.argmax(axis=0)
    return labels
