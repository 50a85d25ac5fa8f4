from collections.abc import Sequence

import numpy as np

from .quantiles import quantiles


def object_sizes(
    found: Sequence[tuple[np.ndarray, int]], load_size: tuple[int, int] | None
) -> dict:
    """Describe the objects of one class.

    Args:
        found (Sequence[tuple[np.ndarray, int]]): For each image the pixels of its objects, and its own.
        load_size (tuple[int, int], optional): (width, height) of training.

    Returns:
        dict: ``count``, ``per_image`` and ``pixels`` (:func:`quantiles`), a ``histogram`` whose bins double, from
        ``edges[i]`` up to but without ``edges[i + 1]``, and ``at_load_size`` with the quantiles there and
        the share of objects that are smaller than one pixel there, None without a load_size.

    Example:
        >>> import numpy as np
        >>> sizes = object_sizes([(np.array([16, 1]), 64)], (4, 4))
        >>> sizes['count'], sizes['at_load_size']['below_one_pixel_percent']
        (2, 50.0)
    """
    areas = np.concatenate([areas for areas, _ in found] or [np.zeros(0, np.int64)])
    bins = int(np.log2(areas.max())) + 1 if areas.size else 0
    edges = [2**i for i in range(bins + 1)]
    histogram = np.histogram(areas, edges)[0] if bins else np.zeros(0, np.int64)
    at_load_size = None
    if load_size is not None and areas.size:
        scales = [load_size[0] * load_size[1] / whole for _, whole in found]
        scaled = np.concatenate([a * s for (a, _), s in zip(found, scales, strict=True)])
        at_load_size = dict(
            pixels=quantiles(scaled),
            below_one_pixel_percent=100 * float((scaled < 1).mean()),
        )
    return dict(
        count=int(areas.size),
        per_image=quantiles([len(areas) for areas, _ in found]),
        per_image_mean=areas.size / len(found) if found else None,
        pixels=quantiles(areas),
        histogram=dict(edges=edges, counts=histogram.tolist()),
        at_load_size=at_load_size,
    )
