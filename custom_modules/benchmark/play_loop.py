import time

from .peak_memory import peak_memory
from .stopwatch import Stopwatch
from .turn import Turn


def play_loop(turn: Turn, loop) -> None:
    """Train a plain loop, an epoch with validation each turn.

    Args:
        turn (Turn): The line to the :class:`Seat`.
        loop: Has ``facts`` and ``device``, ``train(stopwatch)``, which ends each iteration there, and ``validate()``, which
            returns the number of images.
    """
    watch = Stopwatch(loop.device)
    turn.report(loop.facts)
    while True:
        watch.begin(split=turn.wait() == 'split')
        start = time.perf_counter()
        loop.train(watch)
        watch.end()
        train_end = time.perf_counter()
        val_images = loop.validate()
        end = time.perf_counter()
        turn.report(
            dict(
                seconds=end - start,
                train_seconds=train_end - start,
                val_seconds=end - train_end,
                train_images=watch.images,
                val_images=val_images,
                memory_mib=peak_memory(),
                **watch.summary(),
            )
        )
