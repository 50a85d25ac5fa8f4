"""One command for a GPU machine: rows by importance, a process for each kind of contestant, until the time is over."""

import itertools
import json
import os
import shutil
import signal
import sys
import tempfile
import time
import traceback
from collections.abc import Callable, Sequence
from concurrent.futures import ThreadPoolExecutor
from dataclasses import asdict, dataclass, field
from pathlib import Path

import cv2
import mmcv
import numpy as np
from mmengine.config import Config

from custom_modules.engine.config import load_config
from custom_modules.engine.weights import read_weights
from custom_modules.utils.files import REPOSITORY, write_atomically
from custom_modules.utils.machine import available_cores, start_logged
from custom_modules.utils.tables import json_values

from .contestants import load_size, stock_config
from .measuring import Contestant, ContestantProcess
from .prediction import BarePrediction, ConfigPrediction
from .tables import contestant_tables, facts_line, machine_facts, summarize
from .training import BareTraining, RunnerTraining, StockTraining

# the least seconds that a row of a kind needs: with fewer left it is not begun
SECONDS = dict(train=15, compiled=45, infer=15, checks=40)
# of a row, in seconds: one that hangs does not take the others' time
LIMIT = 100
# a row's rounds are counted until they took so many seconds, or there are so many
COUNTED, ROUNDS = 2.0, 6
# generated images for training, which are 24 batches of 64 or 6 of 256; a classifier's are smaller, and more
IMAGES = dict(unet_baseline=1536, unet_backbone_frozen=1536, classifier=2560)
ON_DEVICE = REPOSITORY / 'configs' / 'ablations' / 'batch_augmentation.py'
UNET, FROZEN, CLASSIFIER = 'unet_baseline', 'unet_backbone_frozen', 'classifier'


@dataclass
class Row:
    """A row: who does what, and what came of it."""

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
    def process(self) -> tuple[str, str]:
        """Name the process that it shares with other batch sizes and precisions: a contestant's, for a library."""
        return self.who, 'classification' if self.config == CLASSIFIER else 'segmentation'

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


def write_pairs(folder: Path, count: int, size: tuple[int, int]) -> None:
    """Write noise, whose bright patches are rock, as pairs of PNG of a width and height."""

    def write(i: int) -> None:
        rng = np.random.default_rng(i)
        low = cv2.resize(rng.integers(0, 200, (6, 9, 3), np.uint8), size)
        image, mask = low + rng.integers(0, 24, low.shape, np.uint8), np.uint8(low[..., 0] > 130)
        for name, array in dict(render=image, ground=mask * 255).items():
            mmcv.imwrite(array, str(folder / 'images' / name / f'{name}{i:04d}.png'))

    with ThreadPoolExecutor(available_cores()) as pool:
        list(pool.map(write, range(1, count + 1)))


def write_classes(folder: Path, classes: int, images: int) -> None:
    """Write noise in the layout of Tiny ImageNet; for validation one image of each class."""
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
            for number in range(len(self.rows)):
                self._run_row(number)
            return self._write()
        finally:
            for process in self.processes.values():
                process.close(wait=False)
            shutil.rmtree(self.folder, ignore_errors=True)

    def _run_row(self, number: int) -> None:
        row, left = self.rows[number], self.end - time.monotonic()
        if left < SECONDS.get(row.how, SECONDS['train']):
            row.result = dict(dropped='no time was left')
            return
        # the next ones' processes import while this one is measured
        for ahead in self.rows[number : number + 3]:
            if ahead.how != 'checks' and ahead.process not in self.processes:
                libraries = [f'custom_modules.{ahead.process[1]}']
                log = self.folder / f'{"_".join(ahead.process)}.log'
                self.processes[ahead.process] = ContestantProcess(libraries, log, self.cores)
        row.result = self._check() if row.how == 'checks' else self._measured(row)
        note = 'failed' if 'error' in row.result else row.result.get('dropped', 'done')
        print(f'{time.monotonic() - self.begin:.0f} s: {row.name}: {note}', flush=True)
        self._write()

    def _measured(self, row: Row) -> dict:
        begin, rounds = time.monotonic(), []
        end = min(self.end, begin + LIMIT)

        def ask(command: Contestant | str) -> dict:
            return self.processes[row.process].ask(command, end - time.monotonic())

        try:
            one = self._contestant(row)
            facts = ask(one)
            # warms up, and compiles
            ask('time')
            ready = time.monotonic()
            while len(rounds) < ROUNDS and time.monotonic() - ready < COUNTED:
                rounds.append(ask('time') | dict(warm_up=False, split=False))
            if row.how != 'infer':
                rounds.append(ask('split') | dict(warm_up=False, split=True))
            took = dict(seconds_before=ready - begin, seconds_in_all=time.monotonic() - begin)
            return facts | took | dict(title='', precision=one.precision, rounds=rounds)
        except Exception as error:
            # what is left of it is ended, and the next row has a new one; nothing of a row that broke off counts
            self.processes.pop(row.process).close(wait=False)
            if isinstance(error, TimeoutError) and end == self.end:
                return dict(dropped='no time was left')
            text = ''.join(traceback.format_exception(error))
            return dict(error=f'{text}\n{type(error).__name__}: {error}')

    def _contestant(self, row: Row) -> Contestant:
        cfg = self._config(row)
        size, on_gpu = load_size(cfg), self.device == 'cuda'
        if row.who == 'stock':
            # stock has no mixed precision on a CPU
            precision = 'float32' if row.how != 'amp' else 'amp' if on_gpu else 'as given'
            cfg = stock_config(cfg, size, self.workers, precision)
            if precision == 'amp':
                # as in the libraries' own tools/train.py
                cfg.optim_wrapper.loss_scale = 'dynamic'
        cfg.experiment_name = f'row_{self.rows.index(row)}'
        cfg.work_dir = (self.folder / cfg.experiment_name).as_posix()
        if row.how == 'infer':
            kind = BarePrediction if row.who == 'bare loop' else ConfigPrediction
            one = kind(row.name, '', cfg, size)
            one.batches, one.images = (1, row.batch), 8 if self.small else 128
            return one
        kinds = {'project': RunnerTraining, 'stock': StockTraining, 'bare loop': BareTraining}
        return kinds[row.who](row.name, '', cfg, size)

    def _config(self, row: Row) -> Config:
        # mmseg validates image by image: all of them would be most of a stock row's time
        train, val = (12, 4) if self.small else (IMAGES[row.config], 64)
        options = {'train_cfg.max_epochs': ROUNDS + 2, 'train_dataloader.batch_size': row.batch}
        for part, count in (('train', train), ('val', val)):
            options[f'{part}_dataloader.dataset.indices'] = count
            # a classifier's batches are looked up on the device, without workers
            if row.config != CLASSIFIER:
                options[f'{part}_dataloader.dataset.check'] = False
                options[f'{part}_dataloader.num_workers'] = min(self.workers, count // 4)
        # a frozen one has its checkpoint's
        if self.small and row.config != FROZEN:
            options['model.backbone.widths'] = [4] * 5
        if self.small and row.config == CLASSIFIER:
            options |= {'model.head.in_channels': 4, 'model.backbone.depths': [1] * 4}
        if row.how in ('amp', 'compiled') and self.device == 'cuda':
            # as tools/train.py --amp
            options |= {'optim_wrapper.type': 'AmpOptimWrapper', 'optim_wrapper.dtype': 'bfloat16'}
            options['optim_wrapper.loss_scale.enabled'] = False
        elif row.how in ('amp', 'compiled'):
            options['optim_wrapper.type'] = 'BFloat16OptimWrapper'
        options['default_hooks.compile.enabled'] = row.how == 'compiled'
        cfg = load_config(str(REPOSITORY / 'configs' / f'{row.config}.py'), options)
        # one size all the time, as the others have
        cfg.default_hooks.pop('progressive_resize', None)
        if row.on_device:
            other = load_config(str(ON_DEVICE))
            given, loader = other.model.data_preprocessor, other.train_dataloader
            cfg.model.data_preprocessor.update(type=given.type, augments=given.augments)
            whole = ('num_workers', 'persistent_workers', 'collate_fn')
            cfg.train_dataloader.update({key: loader[key] for key in whole})
            for key in ('cache', 'pipeline'):
                cfg.train_dataloader.dataset[key] = loader.dataset[key]
        return cfg

    def _check(self) -> dict:
        """Run the checks side by side: their time does not count."""
        pool, found = ThreadPoolExecutor(6), {}

        def train(name: str, until: str = '', **more: str) -> Callable[[], Path]:
            return pool.submit(self._train, name, until, **more).result

        whole, twin, killed = train('whole'), train('twin'), train('killed', 'epoch_2.pth')
        # a launcher would give the second a second GPU
        where = dict(WORLD_SIZE='2', LOCAL_RANK='0', MASTER_ADDR='127.0.0.1', MASTER_PORT='29611')
        ranks = [train(f'rank{i}', RANK=str(i), **where) for i in (0, 1)]
        checks = {
            'one seed twice': lambda: deviation(whole(), twin()),
            'killed and resumed': lambda: deviation(whole(), killed() and self._train('killed')),
            'two ranks on one GPU': lambda: f'trained {len([one() for one in ranks])}',
        }
        for name, check in checks.items():
            try:
                found[name] = check()
            except Exception as error:
                found[name] = f'failed: {error}'
        return dict(checks=found)

    def _train(self, name: str, until: str = '', **environment: str) -> Path:
        """Run four short epochs of ``tools/train.py --amp``, or kill it when a file is there; return its folder."""
        folder, log = self.folder / 'checks' / name, self.folder / f'{name}.log'
        batch = f'train_dataloader.batch_size={4 if self.small else 32}'
        launch = '--launcher pytorch' if environment else ''
        line = f'{REPOSITORY}/tools/train.py {ON_DEVICE} --amp --resume --work-dir {folder} {launch} --cfg-options {batch}'
        line += ' train_cfg.max_epochs=4 randomness.deterministic=True'
        line += ' env_cfg.cudnn_benchmark=False' + ' env_cfg.dist_cfg.backend=gloo' * bool(
            environment
        )
        environment = dict(MOON_DATA=str(self.folder / 'few'), OMP_NUM_THREADS='1') | environment
        command = [sys.executable, *line.split()]
        process = start_logged(command, log, os.environ | environment)
        while (early := time.monotonic() < self.end) and process.poll() is None:
            if until and (folder / until).exists():
                break
            time.sleep(0.02)
        if killed := process.poll() is None:
            os.killpg(process.pid, signal.SIGKILL)
        if process.wait() and not (killed and until and early):
            errors = [line for line in log.read_text().splitlines() if 'rror' in line]
            raise RuntimeError(errors[-1] if errors else 'no time was left')
        return folder

    def _write(self) -> str:
        rows = [asdict(row) | dict(name=row.name) for row in self.rows]
        results = dict(machine=self.machine, settings=self.settings, rows=rows)
        numbers = json.dumps(json_values(results), allow_nan=False, indent=1)
        text = markdown(self.rows, facts_line(self.machine | self.settings))
        write_atomically(self.out / 'gpu_check.json', numbers.encode())
        write_atomically(self.out / 'gpu_check.md', text.encode())
        return text


def deviation(one: Path, other: Path) -> str:
    """Say how far the last weights of two runs are apart."""
    first, second = (read_weights(folder / 'epoch_4.pth') for folder in (one, other))
    apart = max(float((a.double() - second[n].double()).abs().max()) for n, a in first.items())
    return f'largest deviation of a weight {apart:.3g}' if apart else 'bit-identical'


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
