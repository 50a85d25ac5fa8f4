"""One command for a GPU machine: rows by importance, a process for each kind of contestant, until the time is over."""

import itertools
import os
import shutil
import tempfile
import time
import traceback
from collections.abc import Sequence
from concurrent.futures import ThreadPoolExecutor
from dataclasses import asdict, dataclass, field
from pathlib import Path

import cv2
import numpy as np
from mmengine.config import Config

from custom_modules.benchmark.repeatability import check_repeatability
from custom_modules.engine.config import load_config
from custom_modules.engine.devices import precision_of, set_mixed_precision
from custom_modules.utils.files import REPOSITORY
from custom_modules.utils.machine import LoggedProcess, available_cores, machine_facts

from .configs import load_size
from .measuring import Contestant, perform
from .prediction import prediction_contestants
from .tables import contestant_tables, facts_line, summarize, write_results
from .training import training_contestants

# the least seconds that a row of a kind needs: with fewer left it is not begun
SECONDS = dict(compiled=45, checks=40)
# of a row, in seconds: one that hangs does not take the others' time
LIMIT = 100
# a row's rounds are counted until they took so many seconds, or there are so many
COUNTED, ROUNDS = 2.0, 6
UNET, FROZEN, CLASSIFIER = 'unet_baseline', 'unet_backbone_frozen', 'classifier'
# generated images for training, which are 24 batches of 64 or 6 of 256; a classifier's are smaller, and more
IMAGES = {UNET: 1536, FROZEN: 1536, CLASSIFIER: 2560}
ON_DEVICE = REPOSITORY / 'configs' / 'ablations' / 'batch_augmentation.py'


@dataclass
class Row:
    """Who does what, and what came of it."""

    # name of a config, or '' for the checks
    config: str
    # 'project', 'stock' or 'bare loop'
    who: str
    # 'float32', 'amp' (bfloat16; stock's own is float16), 'compiled' (bfloat16) or 'infer' (float32)
    how: str
    batch: int
    # whole batches lie on the device, and are augmented there
    on_device: bool = False
    result: dict = field(default_factory=dict)

    @property
    def library(self) -> str:
        """Name what its process imports."""
        return 'classification' if self.config == CLASSIFIER else 'segmentation'

    @property
    def name(self) -> str:
        """Say what it is."""
        amp = 'own AMP' if self.who == 'stock' else 'bfloat16'
        how = dict(amp=amp, compiled='bfloat16 compiled', infer='predicts in float32')
        what = f'{self.config} {self.batch}: {self.who} {how.get(self.how, self.how)}'
        return what + ', augmented on the device' * self.on_device if self.config else self.who


def planned_rows(small: int, large: int) -> list[Row]:
    """List the rows for two batch sizes, the most important first."""
    amp = [('project', 'amp'), ('stock', 'float32'), ('bare loop', 'amp'), ('stock', 'amp')]
    compiled = [('project', 'compiled'), ('bare loop', 'compiled')]
    plain = [('project', 'float32'), ('bare loop', 'float32')]

    def rows(config: str, pairs: list[tuple[str, str]], batch: int) -> list[Row]:
        device = config != CLASSIFIER
        return [Row(config, *pair, batch, device and pair[0] == 'project') for pair in pairs]

    found = rows(UNET, amp, small) + rows(CLASSIFIER, amp, small) + rows(FROZEN, amp[::2], small)
    found += [*rows(UNET, amp[::2], large), Row('', 'checks', 'checks', 0)]
    found += [*rows(UNET, compiled, small), Row(UNET, 'project', 'amp', small)]
    found += [Row(UNET, who, 'infer', small) for who in ('project', 'stock', 'bare loop')]
    for batch, pairs in itertools.product((small, large), (amp, compiled, plain)):
        for config in (UNET, CLASSIFIER, FROZEN):
            found += [row for row in rows(config, pairs, batch) if row not in found]
    return found


class GpuCheck:
    """Runs the rows, and writes what came of them after each: nothing is lost when it is cut off.

    It takes so many minutes on ``'cuda'`` or ``'cpu'``, and writes ``gpu_check.json`` and ``gpu_check.md`` to ``out``. If it is
    ``small``, everything is tiny, to see that it runs; ``only`` are words, of which one is in the name of each row.
    """

    def __init__(self, out: Path, minutes, device: str, small=False, only: Sequence[str] = ()):
        self.begin, self.out = time.monotonic(), out
        self.end = self.begin + 60 * minutes - 5
        self.device, self.small, self.processes = device, small, {}
        # tiny layers gain nothing by more threads
        self.cores = 1 if small else available_cores()
        self.workers = 1 if small else max(1, min(12, self.cores - 4))
        self.settings = dict(minutes=minutes, device=device, small=small, workers=self.workers)
        rows = planned_rows(*((4, 8) if small else (64, 256)))
        self.rows = [row for row in rows if not only or any(word in row.name for word in only)]

    def run(self) -> str:
        """Do everything, and return the tables."""
        self.folder = Path(tempfile.mkdtemp())
        try:
            os.environ['MOON_DATA'] = str(self.folder / 'moon')
            os.environ['TINY_IMAGENET'] = str(self.folder / 'tiny')
            size, pairs = ((64, 64), 40) if self.small else ((256, 192), 2000)
            write_pairs(self.folder / 'moon', pairs, size)
            write_pairs(self.folder / 'few', 20 if self.small else 160, size)
            write_classes(self.folder / 'tiny', 200, 1 if self.small else 13)
            self.settings['data_seconds'] = round(time.monotonic() - self.begin, 1)
            self.machine = machine_facts(self.cores)
            for number, row in enumerate(self.rows):
                if self.end - time.monotonic() < SECONDS.get(row.how, 15):
                    row.result = dict(dropped='no time was left')
                    continue
                # the next ones' processes import while this one is measured
                for ahead in self.rows[number : number + 3]:
                    if ahead.how != 'checks':
                        self._process(ahead)
                row.result = self._checks() if row.how == 'checks' else self._measured(row)
                note = 'failed' if 'error' in row.result else row.result.get('dropped', 'done')
                print(f'{time.monotonic() - self.begin:.0f} s: {row.name}: {note}', flush=True)
                self._write()
            return self._write()
        finally:
            for process in self.processes.values():
                process.close(wait=False)
            shutil.rmtree(self.folder, ignore_errors=True)

    def _process(self, row: Row) -> LoggedProcess:
        """Give the process of a row's contestant and library, which other batch sizes and precisions share."""
        key = row.who, row.library
        if key not in self.processes:
            log = self.folder / f'{"_".join(key)}.log'
            libraries = [f'custom_modules.{row.library}']
            self.processes[key] = LoggedProcess(log, libraries, self.cores)
        return self.processes[key]

    def _checks(self) -> dict:
        """Check that training is repeatable; its time does not count."""
        batch = f'train_dataloader.batch_size={4 if self.small else 32}'
        variables = dict(MOON_DATA=str(self.folder / 'few'), OMP_NUM_THREADS='1')
        folder, left = self.folder / 'checks', self.end - time.monotonic()
        return dict(checks=check_repeatability(ON_DEVICE, folder, [batch], variables, left))

    def _measured(self, row: Row) -> dict:
        begin = time.monotonic()
        end = min(self.end, begin + LIMIT)

        def ask(command: Contestant | str) -> dict:
            return self._process(row).call(perform, command, seconds=end - time.monotonic())

        try:
            facts = ask(self._contestant(row))
            # warms up, and compiles
            rounds, ready = [ask('time')], time.monotonic()
            while len(rounds) <= ROUNDS and time.monotonic() - ready < COUNTED:
                rounds.append(ask('time'))
            if row.how != 'infer':
                rounds.append(ask('split'))
            took = dict(seconds_before=ready - begin, seconds_in_all=time.monotonic() - begin)
            return facts | took | dict(rounds=rounds)
        except Exception as error:
            # what is left of it is ended, and the next row has a new one; nothing of a row that broke off counts
            self.processes.pop((row.who, row.library)).close(wait=False)
            if isinstance(error, TimeoutError) and end == self.end:
                return dict(dropped='no time was left')
            text = ''.join(traceback.format_exception(error))
            return dict(error=f'{text}\n{type(error).__name__}: {error}')

    def _contestant(self, row: Row) -> Contestant:
        cfg, name = self._config(row), row.who
        size = load_size(cfg)
        if row.how == 'infer':
            batches, images = (1, row.batch), 8 if self.small else 128
            found = prediction_contestants(cfg, size, (), batches, images, self.cores)
        else:
            folder = self.folder / f'row_{self.rows.index(row)}'
            found = training_contestants(cfg, size, folder, ROUNDS + 2, self.workers)
        if (row.who, row.how) == ('stock', 'amp'):
            name = f'stock {precision_of(cfg)}'
        return next(one for one in found if one.name == name)

    def _config(self, row: Row) -> Config:
        # mmseg validates image by image: all of them would be most of a stock row's time
        train, val = (12, 4) if self.small else (IMAGES[row.config], 64)
        options = {
            'train_dataloader.batch_size': row.batch,
            'train_dataloader.dataset.indices': train,
            'val_dataloader.dataset.indices': val,
            'default_hooks.compile.enabled': row.how == 'compiled',
        }
        # a classifier's batches are looked up on the device, without workers, as are whole ones
        for part in ('train', 'val') if row.config != CLASSIFIER else ():
            options[f'{part}_dataloader.dataset.check'] = False
            workers = 0 if part == 'train' and row.on_device else self.workers
            options[f'{part}_dataloader.num_workers'] = workers
        # a frozen one has its checkpoint's
        if self.small and row.config != FROZEN:
            options['model.backbone.widths'] = [4] * 5
        if self.small and row.config == CLASSIFIER:
            options |= {'model.head.in_channels': 4, 'model.backbone.depths': [1] * 4}
        cfg = load_config(REPOSITORY / 'configs' / f'{row.config}.py', options)
        if row.on_device:
            other = load_config(ON_DEVICE, options)
            cfg.model.data_preprocessor = other.model.data_preprocessor
            cfg.train_dataloader = other.train_dataloader
        if row.how in ('amp', 'compiled') and self.device == 'cpu':
            cfg.optim_wrapper.type = 'BFloat16OptimWrapper'
        elif row.how in ('amp', 'compiled'):
            if row.who == 'stock':
                # as in the libraries' own tools/train.py
                cfg.optim_wrapper.dtype = 'float16'
            set_mixed_precision(cfg.optim_wrapper)
        return cfg

    def _write(self) -> str:
        rows = [asdict(row) | dict(name=row.name) for row in self.rows]
        results = dict(machine=self.machine, settings=self.settings, rows=rows)
        text = markdown(self.rows, facts_line(self.machine | self.settings))
        write_results(self.out / 'gpu_check', results, text)
        return text


def markdown(rows: Sequence[Row], title: str) -> str:
    """Lay out the rows, those of one config and batch size together."""
    blocks, groups = [title], {}
    for row in rows:
        if 'rounds' in row.result:
            group = groups.setdefault((row.config, row.batch, row.how == 'infer'), {})
            group[row.name.split(': ')[1]] = row.result
        blocks += [f'{name}: {said}' for name, said in row.result.get('checks', {}).items()]
    for (config, batch, _), facts in groups.items():
        rounds = {name: result['rounds'] for name, result in facts.items()}
        blocks += [f'{config}, batch {batch}:', *contestant_tables(summarize(facts, rounds))]
    dropped = [row.name for row in rows if 'dropped' in row.result]
    blocks.append('Left out, since no time was left: ' + ('; '.join(dropped) or 'nothing') + '.')
    failed = [(row.name, row.result['error']) for row in rows if 'error' in row.result]
    return '\n\n'.join([*blocks, *(f'{n}:\n```\n{e}\n```' for n, e in failed)]) + '\n'


def write_pairs(folder, count, size):
    """Write pairs of pictures and masks as PNG, in which bright patches are rock.

    Args:
        folder (Path): Where `images/render/render0001.png`, `images/ground/ground0001.png` and so on go.
        count (int): How many.
        size (tuple[int, int]): Their width and height.
    """
    for name in ('render', 'ground'):
        (folder / 'images' / name).mkdir(parents=True, exist_ok=True)

    def write(i):
        rng = np.random.default_rng(i)
        low = cv2.resize(rng.integers(0, 200, (6, 9, 3), np.uint8), size)
        image, mask = low + rng.integers(0, 24, low.shape, np.uint8), np.uint8(low[..., 0] > 130)
        for name, array in dict(render=image, ground=mask * 255).items():
            cv2.imwrite(str(folder / 'images' / name / f'{name}{i:04d}.png'), array)

    with ThreadPoolExecutor(available_cores()) as pool:
        list(pool.map(write, range(1, count + 1)))


def write_classes(folder, classes, images):
    """Write 64x64 JPEG pictures in the layout of Tiny ImageNet.

    Args:
        folder (Path): Where `wnids.txt`, `words.txt`, `train` and `val` go.
        classes (int): How many classes.
        images (int): Pictures of each class for training; for validation there is one of each.
    """
    wnids, rng = [f'n{i:08d}' for i in range(classes)], np.random.default_rng(0)
    numbered = itertools.product(wnids, range(images))
    paths = [folder / 'train' / w / 'images' / f'{w}_{i}.JPEG' for w, i in numbered]
    for path in paths + [folder / 'val' / 'images' / f'{w}.JPEG' for w in wnids]:
        path.parent.mkdir(parents=True, exist_ok=True)
        low = rng.integers(0, 255, (8, 8, 3), np.uint8)
        # OpenCV goes by the end of the name, and does not know .JPEG on every system
        path.write_bytes(cv2.imencode('.jpg', cv2.resize(low, (64, 64)))[1].tobytes())
    lines = ''.join(f'{w}.JPEG\t{w}\t0\t0\t62\t62\n' for w in wnids)
    (folder / 'val' / 'val_annotations.txt').write_text(lines)
    (folder / 'wnids.txt').write_text('\n'.join(wnids) + '\n')
    (folder / 'words.txt').write_text(''.join(f'{w}\t{w}\n' for w in wnids))
