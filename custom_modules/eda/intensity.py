import numpy as np


def intensity(histogram: np.ndarray, black: int, blown: int) -> dict | None:
    """Describe how bright images are, exactly, over all their pixels.

    Args:
        histogram (np.ndarray): Pixels (3, 256) of each value of red, green and blue.
        black (int): Pixels that are 0 in all channels.
        blown (int): Pixels that are 255 in any channel.

    Returns:
        dict, optional: ``channels`` with ``mean``, ``std``, ``min`` and ``max`` (0 to 255) and the shares of values
        that are 0 and 255, and the shares of black and of blown pixels; None without a pixel.

    Example:
        >>> counts = np.zeros((3, 256), int)
        >>> counts[:, [0, 200]] = 5
        >>> intensity(counts, 5, 0)['channels'][0]['std']
        100.0
    """
    total = int(histogram[0].sum())
    if not total:
        return None
    value = np.arange(256)
    channels = []
    for name, counts in zip(('red', 'green', 'blue'), histogram, strict=True):
        mean = float(counts @ value / total)
        occurring = np.flatnonzero(counts)
        channels.append(
            dict(
                name=name,
                mean=mean,
                std=float(np.sqrt(counts @ (value - mean) ** 2 / total)),
                min=int(occurring[0]),
                max=int(occurring[-1]),
                at_0_percent=100 * int(counts[0]) / total,
                at_255_percent=100 * int(counts[255]) / total,
            )
        )
    return dict(
        channels=channels,
        black_percent=100 * black / total,
        blown_percent=100 * blown / total,
    )
