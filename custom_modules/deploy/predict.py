"""Prediction of many pictures: reading and writing overlap with the network."""

import time
from collections import deque
from collections.abc import Iterator, Sequence
from concurrent.futures import Future, ThreadPoolExecutor
from dataclasses import dataclass, field
from pathlib import Path

import cv2

from custom_modules.deploy.detector import RockDetector
from custom_modules.deploy.results import Results
from custom_modules.utils.errors import UsageError
from custom_modules.utils.images import image_size
from custom_modules.utils.inputs import Source
from custom_modules.utils.tables import progress

# pixels of the pictures that are in memory at one time; a larger one goes alone
MOST_PIXELS = 2**27


@dataclass
class Outcome:
    """How a prediction of many pictures went.

    Args:
        pictures (int): Predicted now.
        rocks (int): Found in them.
        seconds (float): How long it took.
        skipped (list[tuple[Path, str]]): Files that could not be read, and why.
        interrupted (bool): Whether Ctrl-C ended it.
    """

    pictures: int = 0
    rocks: int = 0
    seconds: float = 0.0
    skipped: list[tuple[Path, str]] = field(default_factory=list)
    interrupted: bool = False


def predict_pictures(
    detector: RockDetector, sources: Sequence[Source], results: Results, workers: int = 2
) -> Outcome:
    """Predict pictures and write their results: while the network computes, others are read and written.

    Args:
        detector (RockDetector): The detector.
        sources (Sequence[Source]): The pictures; those that ``results`` has already are left out.
        results (Results): Where to.
        workers (int): Threads that read, and as many that write. Defaults to 2.

    Returns:
        Outcome: How it went; after a Ctrl-C too, with all that was begun written whole.

    Raises:
        OSError: If nothing can be written any more.
    """
    outcome, start = Outcome(), time.perf_counter()
    wanted = [source for source in sources if source.name not in results.done]
    readers, writers = ThreadPoolExecutor(workers), ThreadPoolExecutor(workers)
    of_opencv = cv2.getNumThreads()
    # a picture is the task of one thread
    cv2.setNumThreads(1)
    try:
        written = _written(detector, wanted, results, readers, writers, outcome.skipped)
        for rocks in progress(written, 'Predicting', len(wanted)):
            outcome.pictures += 1
            outcome.rocks += rocks
    except KeyboardInterrupt:
        outcome.interrupted = True
    finally:
        for pool in (readers, writers):
            pool.shutdown(cancel_futures=True)
        cv2.setNumThreads(of_opencv)
    results.finish()
    outcome.seconds = time.perf_counter() - start
    return outcome


def _written(
    detector: RockDetector,
    sources: Sequence[Source],
    results: Results,
    readers: ThreadPoolExecutor,
    writers: ThreadPoolExecutor,
    skipped: list[tuple[Path, str]],
) -> Iterator[int]:
    """Yield the number of rocks of each picture when its files are there."""
    group = detector.batch_size if detector.mode == 'whole' else 1
    waiting, held = deque(sources), 0
    reading: deque[tuple[Source, int, Future]] = deque()
    writing: deque[tuple[int, Future]] = deque()
    while waiting or reading or writing:
        while waiting and len(reading) < 2 * group:
            pixels = _pixels(waiting[0].path)
            if held and held + pixels > MOST_PIXELS:
                break
            held += pixels
            source = waiting.popleft()
            reading.append((source, pixels, readers.submit(detector.prepare, source.path)))
        batch = []
        for _ in range(min(group, len(reading))):
            source, pixels, future = reading.popleft()
            try:
                batch.append((source, pixels, future.result()))
            except (UsageError, OSError, ValueError, MemoryError, cv2.error) as error:
                skipped.append((source.path, str(error)))
                held -= pixels
        maps = detector.maps([picture for _, _, picture in batch]) if batch else []
        for (source, pixels, picture), found in zip(batch, maps, strict=True):
            writing.append((pixels, writers.submit(results.add, source, picture, found)))
        # what is written belongs to its thread alone
        batch = maps = picture = found = None
        idle = not reading
        while writing and (idle or writing[0][1].done() or len(writing) > 2 * group):
            pixels, future = writing.popleft()
            entry = future.result()
            results.record(entry)
            yield len(entry['rocks'])
            held -= pixels
            # there is room to read again
            idle = idle and not waiting


def _pixels(path: Path) -> int:
    try:
        width, height = image_size(path)
    except UsageError:
        # it is said when the file is read
        return 0
    return width * height
