from collections import deque
from collections.abc import Callable, Iterator
from concurrent.futures import ThreadPoolExecutor

import numpy as np

from custom_modules.diagnosis.available_cores import available_cores

from .not_cacheable_error import NotCacheableError

# arrays by name, and what else was set; None if the transforms dropped the sample
Decoded = tuple[dict[str, np.ndarray], dict[str, object]] | None


def decode_all(
    info: Callable[[int], dict], transforms: list[Callable], count: int
) -> Iterator[Decoded]:
    """Run the static transforms on all samples, in threads, a few samples ahead.

    Args:
        info (Callable[[int], dict]): Gives a new entry of the data set at each call.
        transforms (list[Callable]): Static transforms.
        count (int): Number of samples.

    Yields:
        tuple[dict, dict] or None: In order, the ``uint8`` arrays and the other values that the transforms have set.

    Raises:
        NotCacheableError: If the transforms give something else.
    """
    # decoding releases the interpreter's lock; more threads would only hold more pictures at their full size
    threads = min(8, available_cores())
    pool = ThreadPoolExecutor(threads)
    running = deque()
    try:
        for index in range(count):
            running.append(pool.submit(_decode, info, transforms, index))
            if len(running) > 2 * threads:
                yield running.popleft().result()
        while running:
            yield running.popleft().result()
    finally:
        pool.shutdown(cancel_futures=True)


def _decode(info: Callable[[int], dict], transforms: list[Callable], index: int) -> Decoded:
    before, results = info(index), info(index)
    try:
        for transform in transforms:
            results = transform(results)
            if results is None:
                return None
    except Exception as error:
        # whoever asks for this sample gets the error itself
        raise NotCacheableError(f'sample {index} cannot be loaded ({error})') from error
    if gone := before.keys() - results.keys():
        raise NotCacheableError(f'the pipeline takes {", ".join(sorted(gone))} out of a sample')
    arrays, others = {}, {}
    for key, value in results.items():
        if isinstance(value, np.ndarray):
            if value.dtype != np.uint8:
                raise NotCacheableError(
                    f'{key} of a sample is {value.dtype}, and only uint8 is kept'
                )
            arrays[key] = value
        elif key not in before or before[key] != value:
            others[key] = value
    return arrays, others
