"""Rocks in a mask: connected areas, their numbers and their outlines."""

from collections.abc import Sequence
from dataclasses import dataclass

import cv2
import numpy as np

from custom_modules.deploy.tiling import Strips


@dataclass(frozen=True)
class Rock:
    """One connected area of a class, in pixels from the picture's upper left corner."""

    number: int  # from 1 on, class by class and from top to bottom
    label: int  # index of its class
    name: str  # of its class
    area: int
    box: tuple[int, int, int, int]  # left, top, width and height
    centre: tuple[float, float]  # mean x and y of its pixels
    probability: float  # mean of its class over its pixels, 0 to 1
    touches_border: bool  # it may continue outside of the picture
    polygons: list[list[float]]  # outlines x, y, x, y, ... as in COCO; holes are connected by a slit


def find_rocks(labels: np.ndarray, strips: Strips, classes: Sequence[str], tolerance: float = 1.0) -> list[Rock]:
    """List the connected areas (8 neighbours) of every class but the first, class by class, from top to bottom.

    ``labels`` are class indices (H, W), uint8, ``strips`` the probabilities that they come from. An outline may be off by ``tolerance``
    pixels; 0 is exact.
    """
    height, width = labels.shape
    rocks: list[Rock] = []
    for label in range(1, len(classes)):
        of_class = labels if len(classes) == 2 else (labels == label).view(np.uint8)
        # not cv2.connectedComponents: its int32 labels of a mosaic take half a gigabyte
        areas = _areas(*cv2.findContours(of_class, cv2.RETR_CCOMP, cv2.CHAIN_APPROX_SIMPLE))
        sums = _probability_sums(areas, strips, label) if areas else ()
        for rings, probability_sum in zip(areas, sums, strict=True):
            part, (x, y, w, h) = _filled(rings)
            # sums of integers, exact in float64
            moments = cv2.moments(part)
            pixels = round(moments['m00'])
            centre = np.array([moments['m10'] + x * pixels, moments['m01'] + y * pixels]) / pixels
            rock = Rock(
                number=len(rocks) + 1,
                label=label,
                name=classes[label],
                area=pixels,
                box=(x, y, w, h),
                centre=tuple(centre.round(2).tolist()),
                probability=round(float(probability_sum) / pixels, 4),
                touches_border=x == 0 or y == 0 or x + w == width or y + h == height,
                polygons=outlines(part, (x, y), tolerance),
            )
            rocks.append(rock)
    return rocks


def _areas(rings: Sequence[np.ndarray], tree: np.ndarray | None) -> list[list[np.ndarray]]:
    """Group OpenCV's contours by connected area, from top to bottom: of each the outer one first, then those of its holes."""
    parents = [] if tree is None else tree[0][:, 3].tolist()
    areas = {i: [rings[i]] for i, parent in enumerate(parents) if parent < 0}
    for hole, parent in zip(rings, parents, strict=True):
        if parent >= 0:
            areas[parent].append(hole)
    # OpenCV begins a contour at its topmost row's first pixel
    return sorted(areas.values(), key=lambda rings: rings[0][0, 0, ::-1].tolist())


def _filled(rings: Sequence[np.ndarray]) -> tuple[np.ndarray, tuple[int, int, int, int]]:
    """Fill an area: its pixels (h, w), uint8 0 or 1, within its bounding box (left, top, width, height), and that box."""
    x, y, w, h = box = tuple(cv2.boundingRect(rings[0]))
    return cv2.drawContours(np.zeros((h, w), np.uint8), rings, -1, 1, cv2.FILLED, offset=(-x, -y)), box


def _probability_sums(areas: list, strips: Strips, label: int) -> np.ndarray:
    sums, tops = np.zeros(len(areas)), np.array([rings[0][0, 0, 1] for rings in areas])
    ends = np.array([1 + rings[0][:, 0, 1].max() for rings in areas])
    for rows, probabilities in strips:
        channel = probabilities[min(label, len(probabilities) - 1)]
        for area in np.flatnonzero((tops < rows.stop) & (ends > rows.start)):
            part, (x, y, w, h) = _filled(areas[area])
            top, end = max(y, rows.start), min(y + h, rows.stop)
            inside = part[top - y : end - y]
            of_class = channel[top - rows.start : end - rows.start, x : x + w]
            sums[area] += cv2.mean(of_class, inside)[0] * cv2.countNonZero(inside)
    return sums


def outlines(area: np.ndarray, origin: tuple[int, int] = (0, 0), tolerance: float = 0.0) -> list[list[float]]:
    """Trace a connected area (H, W), bool or uint8, along the edges of its pixels: one polygon x, y, x, y, ..., which COCO rasterizes to the same area.

    Holes are joined to the outer line by a slit of no width. ``origin`` are x and y of the array's first pixel; the polygon may be
    off by ``tolerance`` pixels.

    Example:
        >>> outlines(np.array([[1, 1, 0], [1, 1, 1]], bool))
        [[0, 0, 0, 2, 3, 2, 3, 1, 2, 1, 2, 0]]
    """
    # at twice the size each pixel has one contour point per corner: halved and rounded, the points are corners of pixels
    quarters = cv2.resize(area.view(np.uint8), None, fx=2, fy=2, interpolation=cv2.INTER_NEAREST)
    rings, tree = cv2.findContours(quarters, cv2.RETR_CCOMP, cv2.CHAIN_APPROX_SIMPLE)
    corners = [_without_straight_points((ring[:, 0] + 1) // 2) for ring in rings]
    if tolerance:
        fewer = [cv2.approxPolyDP(ring[:, None].astype(np.int32), tolerance, True)[:, 0] for ring in corners]
        pairs = zip(fewer, corners, strict=True)
        corners = [ring if len(ring) > 2 and cv2.contourArea(ring) else whole for ring, whole in pairs]
    # the outer one has no parent
    line = corners.pop(tree[0][:, 3].argmin())
    slits = {}
    for hole in corners:
        distances = np.abs(line[:, None] - hole[None]).sum(axis=2)
        start, end = np.unravel_index(distances.argmin(), distances.shape)
        # the slit: from the line to the hole, once around it, and back
        slits.setdefault(start, []).extend([hole[end:], hole[: end + 1], line[[start]]])
    if slits:
        line = np.concatenate([part for i in range(len(line)) for part in (line[[i]], *slits.get(i, ()))])
    return [(line + origin).ravel().tolist()]


def _without_straight_points(ring: np.ndarray) -> np.ndarray:
    # not np.roll, which takes most of a small rock's time
    before = ring - np.concatenate([ring[-1:], ring[:-1]])
    moved = before.any(axis=1)
    ring, before = ring[moved], before[moved]
    after = np.concatenate([before[1:], before[:1]])
    return ring[before[:, 0] * after[:, 1] != before[:, 1] * after[:, 0]]


def outlined(image: np.ndarray, labels: np.ndarray, palette: Sequence[Sequence[int]]) -> np.ndarray:
    """Draw the outlines of a mask's areas on its picture in their classes' colours; a larger mask is shrunk to the picture's size."""
    if labels.shape != image.shape[:2]:
        labels = cv2.resize(labels, image.shape[1::-1], interpolation=cv2.INTER_NEAREST_EXACT)
    drawn = image.copy()
    thickness = max(2, round(max(labels.shape) / 400))
    for label, colour in enumerate(palette[1:], 1):
        lines, _ = cv2.findContours((labels == label).view(np.uint8), cv2.RETR_LIST, cv2.CHAIN_APPROX_NONE)
        # a dark rim makes them visible on bright ground
        cv2.drawContours(drawn, lines, -1, (0, 0, 0), thickness + 2)
        cv2.drawContours(drawn, lines, -1, tuple(map(int, colour)), thickness)
    return drawn
