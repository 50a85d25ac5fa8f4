import time
from collections.abc import Callable, Iterable

from .peak_memory import peak_memory
from .turn import Turn


def play_loader(turn: Turn, build: Callable[[], Iterable], workers: int) -> None:
    """Build a loader and read it for two epochs each turn, and do nothing with the batches.

    Args:
        turn (Turn): The line to the :class:`Seat`.
        build (Callable): Makes the loader; a batch is a dict with ``inputs``, or a tuple that begins with the images.
        workers (int): Its worker processes.
    """
    turn.report(dict(workers=workers))
    while True:
        turn.wait()
        start = time.perf_counter()
        loader = build()
        built = time.perf_counter() - start
        epochs = [_epoch(loader) for _ in range(2)]
        turn.report(
            dict(
                build_seconds=built,
                first_seconds=epochs[0][0],
                second_seconds=epochs[1][0],
                images=epochs[0][1],
                memory_mib=peak_memory(),
            )
        )


def _epoch(loader: Iterable) -> tuple[float, int]:
    start, images = time.perf_counter(), 0
    for batch in loader:
        images += len(batch['inputs'] if isinstance(batch, dict) else batch[0])
    return time.perf_counter() - start, images
