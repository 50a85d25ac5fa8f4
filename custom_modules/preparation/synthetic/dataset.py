"""A data set of rendered scenes."""

import json
import multiprocessing
import signal
from concurrent.futures import BrokenExecutor, ProcessPoolExecutor
from pathlib import Path

import cv2

from custom_modules.preparation.lunar import MoonClasses
from custom_modules.preparation.synthetic.camera import SceneStyle
from custom_modules.preparation.synthetic.renderer import MoonRenderer
from custom_modules.utils.errors import UsageError
from custom_modules.utils.files import UNFINISHED, write_atomically
from custom_modules.utils.images import encode_png
from custom_modules.utils.tables import progress


class SyntheticSet:
    """A synthetic set and the record (`dataset.json`) of its settings.

    Each number has a render, a coloured mask (clean) and a binary one (ground), see `MoonRenderer`. The record is written
    before the first picture, and a folder that does not match it is refused, so two sets never mix. Raises a UsageError if
    an argument is out of range.

    Args:
        out: Folder of the set.
        count: Number of pictures.
        size, seed, style, min_rock: See `MoonRenderer`.
    """

    RECORD = 'dataset.json'
    KINDS = ('render', 'clean', 'ground')

    def __init__(self, out, count, size, seed, style='mixed', min_rock=MoonRenderer.MIN_ROCK):
        shown_size = '{}x{}'.format(*size)
        for allowed, option, range_, value in (
            (1 <= count <= 9999, '--count', '1 to 9999', count),
            (min(size) >= 32 and max(size) <= 4096, '--size', '32 to 4096 pixels a side', shown_size),
            (seed >= 0, '--seed', '0 or higher', seed),
            (style in SceneStyle.STYLES, '--style', f'one of {", ".join(SceneStyle.STYLES)}', style),
            (min_rock >= 0, '--min-rock', '0 or higher', min_rock),
        ):  # fmt: skip
            if not allowed:
                raise UsageError(f'{option} must be {range_}, not {value}.')
        self.out, self.count = Path(out), count
        self.renderer = MoonRenderer(seed, size, style, min_rock)
        self.recipe = dict(made_by='tools/prepare_data.py synthetic', renderer_version=MoonRenderer.VERSION, seed=seed)
        self.recipe |= dict(size=shown_size, style=style, min_rock=min_rock, count=count)

    def make(self, workers=1, overwrite=False):
        """Render the missing pictures in so many processes (`workers`; 1 renders in this one), and return their number.

        With `overwrite` an existing set made by this tool is deleted first. Raises a UsageError if the folder holds another set,
        or `workers` is below 1.
        """
        if workers < 1:
            raise UsageError(f'--workers must be 1 or more, not {workers}.')
        self._prepare_folder(overwrite)
        missing = [n for n in range(1, self.count + 1) if not all(path.is_file() for path in self._paths(n))]
        workers = min(workers, len(missing))
        if workers > 1:
            self._write_in_processes(missing, workers)
        else:
            for number in progress(missing, 'Rendering'):
                self._write(number)
        return len(missing)

    def _paths(self, number):
        return [self.out / 'images' / kind / f'{kind}{number:04d}.png' for kind in self.KINDS]

    def _write(self, number):
        # one thread, since several processes may share the cores
        threads = cv2.getNumThreads()
        cv2.setNumThreads(1)
        try:
            picture, classes = self.renderer.render(number)
        finally:
            cv2.setNumThreads(threads)
        contents = picture, MoonClasses.paint(classes), MoonClasses.rocks(classes)
        for path, pixels in zip(self._paths(number), contents, strict=True):
            write_atomically(path, encode_png(pixels), sync=False)

    def _prepare_folder(self, overwrite):
        record = self.out / self.RECORD
        try:
            found = json.loads(record.read_text(encoding='utf-8'))
        except (ValueError, OSError):
            found = None
        ours = isinstance(found, dict) and found.get('made_by') == self.recipe['made_by']
        if not ours and self.out.is_dir() and any(self.out.iterdir()):
            raise UsageError(f'{self.out} is not empty and has no {self.RECORD} of this tool: choose another --out.')
        if ours and not overwrite and found != self.recipe:
            keys = (k for k in self.recipe if found.get(k) != self.recipe[k])
            differs = ', '.join(f'{k} {found.get(k)} instead of {self.recipe[k]}' for k in keys)
            raise UsageError(f'{self.out} holds another set ({differs}): choose another --out, or replace it with --overwrite.')
        # the record first: after an interruption here, old pictures must not be taken for those of the new record
        if overwrite:
            record.unlink(missing_ok=True)
        for kind in self.KINDS:
            folder = self.out / 'images' / kind
            pictures = folder.glob(f'{kind}[0-9][0-9][0-9][0-9].png') if overwrite else ()
            for path in [*folder.glob(f'.{kind}*{UNFINISHED}'), *pictures]:
                path.unlink()
        write_atomically(record, (json.dumps(self.recipe, indent=2) + '\n').encode())

    def _write_in_processes(self, missing, workers):
        # 'spawn' behaves alike on Linux, macOS and Windows
        pool = ProcessPoolExecutor(workers, multiprocessing.get_context('spawn'))
        # the workers, which start here, inherit that Ctrl-C is ignored, and finish their pictures; this process handles it
        handler = signal.signal(signal.SIGINT, signal.SIG_IGN)
        try:
            done = pool.map(self._write, missing)
            signal.signal(signal.SIGINT, handler)
            for _ in progress(done, 'Rendering', len(missing)):
                pass
        except BrokenExecutor as error:
            raise UsageError('A worker process died, perhaps for want of memory: give fewer --workers.') from error
        finally:
            pool.shutdown(cancel_futures=True)
