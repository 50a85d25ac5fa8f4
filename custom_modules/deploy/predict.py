"""Prediction of many pictures, in threads: masks, overlays, probabilities, rocks as CSV and COCO."""

import csv
import json
import os
import time
from collections import deque
from collections.abc import Generator, Iterator, Sequence
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass, field, replace
from pathlib import Path
from threading import Semaphore
from typing import NamedTuple

import cv2
import numpy as np
from PIL import Image

from custom_modules.deploy.detector import Picture, RockDetector
from custom_modules.deploy.rocks import outlined
from custom_modules.deploy.tiling import STEPS, Strips
from custom_modules.utils.errors import UsageError
from custom_modules.utils.files import atomic_path, remove_unfinished, write_atomically
from custom_modules.utils.images import Source, encode_png, pixel_count
from custom_modules.utils.tables import progress

MOST_PIXELS = 2**27  # of all pictures in memory at one time; a larger picture is predicted alone
COLUMNS = (
    'picture', 'number', 'class', 'area', 'left', 'top', 'width', 'height', 'centre_x', 'centre_y',
    'probability', 'touches_border',
)  # fmt: skip
MANIFEST = 'pictures.jsonl'
# in pixels: Pillow takes pictures of twice its default for an attack, and OpenCV cannot write more than this
Image.MAX_IMAGE_PIXELS = 2**29


class Entry(NamedTuple):
    """A predicted picture: its name, how many rocks it has, and its line of the manifest, which its worker has encoded."""

    picture: str
    rocks: int
    line: str


@dataclass
class PictureFiles:
    """Writes the files of single pictures into the folder of a prediction, each all or nothing."""

    out: Path
    detector: RockDetector
    overlay: bool = True  # write pictures with the rocks outlined
    probability: bool = False  # write probabilities
    tolerance: float = 1  # how far outlines may be off, in pixels; 0 is exact

    def add(self, source: Source, picture: Picture, prob_map: np.ndarray) -> Entry:
        """Write the files of one picture from its map of probabilities, and return its entry for :meth:`Results.record`; thread-safe."""
        card = self.detector.card
        labels, rocks = self.detector.finish(prob_map, picture.size, self.tolerance)
        mask = labels * np.uint8(255) if len(card.classes) == 2 else labels
        self._write('masks', source, '.png', encode_png(mask, areas=True))
        if self.overlay:
            drawn = outlined(picture.image, labels, card.palette)
            jpeg = cv2.imencode('.jpg', cv2.cvtColor(drawn, cv2.COLOR_RGB2BGR, dst=drawn), [cv2.IMWRITE_JPEG_QUALITY, 90])[1]
            self._write('overlays', source, '.jpg', jpeg.tobytes())
        if self.probability:
            whole = np.empty(labels.shape, np.uint16)
            for rows, part in Strips(prob_map, picture.size):
                # with several classes: the probability that a pixel is not the first class, the background
                whole[rows] = np.rint((part[0] if len(part) == 1 else 1 - part[0]) * STEPS)
            self._write('probabilities', source, '.png', encode_png(whole))
        width, height = picture.size
        size = source.path.stat().st_size if source.path.is_file() else None
        line = dict(picture=source.name, bytes=size, width=width, height=height, rocks=list(map(vars, rocks)))
        return Entry(source.name, len(rocks), json.dumps(line))

    def _write(self, kind: str, source: Source, suffix: str, content: bytes) -> None:
        # not synced: what a power cut loses is predicted again
        write_atomically(self.out / kind / (source.stem + suffix), content, sync=False)


def require_no_results(out: str | Path, resume: bool) -> None:
    """Raise a UsageError if a folder holds results already, and is not to be resumed."""
    if not resume and Path(out, MANIFEST).exists():
        raise UsageError(f'{out} holds results already: go on with --resume, or choose another folder.')


class Results(PictureFiles):
    """The folder of a prediction.

    Its manifest, ``pictures.jsonl``, gets a line (an entry) for each picture once its files are written. A resumed run learns from it
    which pictures are ``done``, and how large their files were; the two tables are made from it at the end. Raises a UsageError if
    there are results already and ``resume`` is False, or they have other settings.

    Args:
        settings (dict): What the results depend on; a resumed run must have the same.
        resume (bool): Whether to continue what is there. Defaults to False.
        out, detector, **files: Of :class:`PictureFiles`.
    """

    def __init__(self, out: str | Path, detector: RockDetector, settings: dict, resume: bool = False, **files) -> None:
        super().__init__(Path(out), detector, **files)
        self._manifest = self.out / MANIFEST
        require_no_results(out, resume)
        if not self._manifest.exists():
            write_atomically(self._manifest, json.dumps(settings).encode() + b'\n')
        try:
            earlier, self.done = self._read_manifest()
        except (ValueError, KeyError, TypeError) as error:
            raise UsageError(
                f'{self._manifest} is damaged, or no list of results ({error}): choose another folder, or remove this one to predict anew.'
            ) from error
        other = [key for key, value in settings.items() if earlier.get(key) != value]
        if other:
            raise UsageError(
                f'the results in {self.out} have another {", ".join(other)}: choose another folder, or the same settings.'
            )

    def _read_manifest(self) -> tuple[dict, dict[str, int | None]]:
        """Read the settings, and the names and files' sizes of the pictures that are done; an incomplete last line is removed."""
        with self._manifest.open('r+b') as file:
            settings = dict(json.loads(file.readline()))
            complete, done = file.tell(), {}
            for line in iter(file.readline, b''):
                if line.endswith(b'\n'):
                    entry = json.loads(line)
                    done[entry['picture']] = entry.get('bytes')
                    complete += len(line)
            file.truncate(complete)
        return settings, done

    def record(self, entry: Entry) -> None:
        """Add a picture's entry to the manifest; an entry that is there already is ignored."""
        if entry.picture not in self.done:
            self.done[entry.picture] = None
            with self._manifest.open('ab') as file:
                file.write(entry.line.encode() + b'\n')

    def finish(self) -> None:
        """Write ``rocks.csv`` and ``rocks.json`` (COCO) of all pictures that are done, and remove temporary files of killed writes."""
        for kind in ('masks', 'overlays', 'probabilities'):
            for folder, _, _ in os.walk(self.out / kind):
                remove_unfinished(folder)
        # a file name may hold any bytes
        text = dict(encoding='utf-8', errors='surrogateescape', newline='')
        with atomic_path(self.out / 'rocks.csv') as path, path.open('w', **text) as file:
            table = csv.writer(file)
            table.writerow(COLUMNS)
            for entry in self._entries():
                for rock in entry['rocks']:
                    row = [entry['picture'], rock['number'], rock['name'], rock['area'], *rock['box'], *rock['centre']]
                    table.writerow([*row, rock['probability'], int(rock['touches_border'])])
        with atomic_path(self.out / 'rocks.json') as path, path.open('w') as file:
            names = list(enumerate(self.detector.card.classes))[1:]
            entries = enumerate(self._entries(), 1)
            parts = dict(
                categories=(dict(id=label, name=name, supercategory='') for label, name in names),
                images=(dict(id=i, file_name=e['picture'], width=e['width'], height=e['height']) for i, e in entries),
                annotations=self._annotations(),
            )
            # one by one: the rocks of a million pictures do not fit into memory
            for name, values in parts.items():
                before = '{' if name == 'categories' else ','
                file.write(f'{before}"{name}": [\n')
                for i, value in enumerate(values):
                    file.write((',\n' if i else '') + json.dumps(value))
                file.write(']')
            file.write('}\n')

    def _entries(self) -> Iterator[dict]:
        seen = set()
        with self._manifest.open('rb') as file:
            next(file)
            for entry in map(json.loads, file):
                # two runs at once may both have predicted a picture
                if entry['picture'] not in seen:
                    seen.add(entry['picture'])
                    yield entry

    def _annotations(self) -> Iterator[dict]:
        rocks = ((i, rock) for i, entry in enumerate(self._entries(), 1) for rock in entry['rocks'])
        for number, (image, rock) in enumerate(rocks, 1):
            ids = dict(id=number, image_id=image, category_id=rock['label'], iscrowd=0)
            shape = dict(segmentation=rock['polygons'], area=rock['area'], bbox=rock['box'])
            yield dict(**ids, **shape, score=rock['probability'])


@dataclass
class Outcome:
    """How the prediction of many pictures went."""

    pictures: int = 0
    rocks: int = 0
    seconds: float = 0.0
    skipped: list[tuple[Path, str]] = field(default_factory=list)  # files that could not be read, and why
    interrupted: bool = False  # by Ctrl-C


def calls_at_once(sources: Sequence[Source], cores: int) -> int:
    """Choose how many batches are predicted at the same time: one per core, fewer for few pictures or large ones, of a mosaic one."""
    largest = max((pixel_count(source.path) for source in sources[:16]), default=0)
    return max(1, min(cores, len(sources), MOST_PIXELS // max(1, largest)))


def predict_pictures(detector: RockDetector, sources: Sequence[Source], results: Results, workers: int = 2) -> Outcome:
    """Predict the pictures that ``results`` lacks in ``workers`` threads, and write their results; an ``OSError`` if that fails."""
    missing = [source for source in sources if source.name not in results.done]
    outcome = Outcome()
    entries = predicted(detector, missing, results, workers, outcome.skipped)
    return record_all(entries, len(missing), results, outcome)


def record_all(entries: Generator[Entry], count: int, results: Results, outcome: Outcome) -> Outcome:
    """Record the entries of ``count`` pictures, of which some may come twice, write the tables at the end, and fill in ``outcome``."""
    start, before = time.perf_counter(), len(results.done)
    try:
        for entry in progress(entries, 'Predicting', count):
            outcome.rocks += entry.rocks * (entry.picture not in results.done)
            results.record(entry)
    except KeyboardInterrupt:
        outcome.interrupted = True
    finally:
        entries.close()
    results.finish()
    outcome.pictures = len(results.done) - before
    outcome.seconds = time.perf_counter() - start
    return outcome


def predicted(
    detector: RockDetector, sources: Sequence[Source], files: PictureFiles, workers: int, skipped: list[tuple[Path, str]]
) -> Generator[Entry]:
    """Predict pictures, write their files, and yield the entry of each for :meth:`Results.record`.

    Each of the ``workers``, which are threads, reads, predicts and writes one batch after another. With one more than the
    network's simultaneous calls (``detector.calls``) the network need not wait for files. ``skipped`` gets the pictures that
    cannot be read.
    """
    network = Semaphore(detector.calls)

    def predict(batch: list[Source]) -> list[Entry]:
        read = []
        for source in batch:
            try:
                read.append((source, detector.prepare(source.path)))
            except (UsageError, OSError, ValueError, MemoryError, cv2.error) as error:
                skipped.append((source.path, str(error)))
        with network:
            maps = detector.maps([picture for _, picture in read]) if read else []
        # free the network's input before rocks are traced: a third of a gigabyte of a mosaic
        read = [(source, replace(picture, seen=None)) for source, picture in read]
        return [files.add(source, picture, prob_map) for (source, picture), prob_map in zip(read, maps, strict=True)]

    pool = ThreadPoolExecutor(workers)
    opencv_threads = cv2.getNumThreads()
    # the workers use the cores already
    cv2.setNumThreads(1)
    try:
        group = min(detector.batch_size, -(-len(sources) // detector.calls)) if detector.mode == 'whole' else 1
        batches = _batches(sources, group, MOST_PIXELS // (workers + 1))
        running, held, following = deque(), 0, next(batches, None)
        while following or running:
            # one more than there are threads, so that none waits for the main thread
            while following and len(running) <= workers and not (held and held + following[0] > MOST_PIXELS):
                pixels, batch = following
                held += pixels
                running.append((pixels, pool.submit(predict, batch)))
                following = next(batches, None)
            pixels, done = running.popleft()
            yield from done.result()
            held -= pixels
    finally:
        pool.shutdown(cancel_futures=True)
        cv2.setNumThreads(opencv_threads)


def _batches(sources: Sequence[Source], group: int, most: int) -> Iterator[tuple[int, list[Source]]]:
    """Yield batches of at most ``group`` pictures and ``most`` pixels (or of one picture), each after its number of pixels."""
    batch, held = [], 0
    for source in sources:
        pixels = pixel_count(source.path)
        if batch and (len(batch) == group or held + pixels > most):
            yield held, batch
            batch, held = [], 0
        batch.append(source)
        held += pixels
    if batch:
        yield held, batch
