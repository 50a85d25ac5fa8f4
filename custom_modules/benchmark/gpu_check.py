"""One command for a GPU machine: rows by importance, each in a process of its own, until the time is over."""

import json
import os
import shutil
import signal
import subprocess
import sys
import tempfile
import time
from collections.abc import Callable, Sequence
from concurrent.futures import ThreadPoolExecutor
from dataclasses import asdict, dataclass, field
from pathlib import Path

import cv2
import numpy as np
from mmengine.config import Config

from custom_modules.engine.config import load_config
from custom_modules.engine.weights import read_weights
from custom_modules.utils.files import REPOSITORY, write_atomically
from custom_modules.utils.machine import available_cores
from custom_modules.utils.tables import plain_values

from .contestants import LEVERS, load_size
from .measuring import PARTS, Contestant, ContestantProcess
from .prediction import BarePrediction, ConfigPrediction
from .stock import stock_config
from .tables import machine_facts, machine_line, table
from .training import BareTraining, RunnerTraining, StockTraining

# the least time in which a row of a kind is worth beginning
SECONDS = dict(train=12, compiled=45, infer=20, checks=40)
# of a row, in seconds: one that hangs does not take the others' time
LIMIT = 100
UNET, FROZEN, CLASSIFIER = 'unet_baseline', 'unet_backbone_frozen', 'classifier'


@dataclass
class Row:
    """A row: who does what, and what came of it.

    Args:
        config (str): Name of a config.
        who (str): ``'project'``, ``'stock'`` or ``'bare loop'``.
        how (str): ``'float32'``, ``'amp'`` (bfloat16; stock's own is float16), ``'compiled'`` (bfloat16) or ``'infer'`` (float32).
        batch (int): Batch size.
        on_device (bool): Whether whole batches are augmented on the device.
    """

    config: str
    who: str
    how: str
    batch: int
    on_device: bool = False
    result: dict = field(default_factory=dict)

    @property
    def name(self) -> str:
        """Say what it is."""
        if self.how == 'checks':
            return 'checks'
        amp = 'own AMP' if self.who == 'stock' else 'bfloat16'
        how = dict(amp=amp, compiled='bfloat16 compiled', infer='predicts in float32')
        device = ', augmented on the device' * self.on_device
        return f'{self.config} {self.batch}: {self.who} {how.get(self.how, self.how)}{device}'


def planned_rows(small: int, large: int) -> list[Row]:
    """List the rows for two batch sizes, the most important first."""
    amp = [('project', 'amp'), ('stock', 'float32'), ('bare loop', 'amp'), ('stock', 'amp')]
    first = [Row(UNET, *one, small, one[0] == 'project') for one in amp]
    first += [Row(CLASSIFIER, *one, small) for one in amp]
    first += [Row(FROZEN, 'project', 'amp', small, True), Row(FROZEN, 'bare loop', 'amp', small)]
    first += [Row(UNET, 'project', 'amp', large, True), Row(UNET, 'bare loop', 'amp', large)]
    then = [Row('', 'checks', 'checks', 0), Row(UNET, 'project', 'compiled', small, True)]
    then += [Row(UNET, 'bare loop', 'compiled', small), Row(UNET, 'project', 'amp', small)]
    then += [Row(UNET, 'project', 'float32', small, True), Row(CLASSIFIER, *amp[0], large)]
    then += [Row(CLASSIFIER, *amp[2], large), Row(FROZEN, 'stock', 'float32', small)]
    then += [Row(UNET, who, 'infer', small) for who in ('project', 'stock', 'bare loop')]
    last = [
        Row(config, who, how, batch, config != CLASSIFIER and who == 'project')
        for batch in (small, large)
        for how in ('compiled', 'float32', 'amp')
        for config in (UNET, CLASSIFIER, FROZEN)
        for who in (
            ('project', 'bare loop') if how == 'compiled' else ('project', 'bare loop', 'stock')
        )
    ]
    rows = [*first, *then]
    return rows + [row for row in last if row not in rows]


def write_pairs(folder: Path, count: int, size: tuple[int, int]) -> None:
    """Write noise with bright blobs, which are rock, as pairs of PNG of a width and height."""
    noise = np.random.default_rng(0).integers(0, 24, (size[1] * 2, size[0] * 2, 3), np.uint8)

    def write(i: int) -> None:
        rng = np.random.default_rng(i)
        low = rng.integers(40, 120, (6, 9, 3), np.uint8)
        y, x = (int(rng.integers(0, side)) for side in size[::-1])
        image = cv2.resize(low, size) + noise[y : y + size[1], x : x + size[0]]
        mask = np.zeros(size[::-1], np.uint8)
        for _ in range(6):
            centre = [int(rng.integers(0, side)) for side in size]
            cv2.circle(mask, centre, int(rng.integers(2, 3 + size[1] // 12)), 255, -1)
        image[mask > 0] += 100
        for name, array in (('render', image), ('ground', mask)):
            path = folder / 'images' / name / f'{name}{i:04d}.png'
            cv2.imwrite(str(path), array, [cv2.IMWRITE_PNG_COMPRESSION, 1])

    for name in ('render', 'ground'):
        (folder / 'images' / name).mkdir(parents=True)
    with ThreadPoolExecutor(available_cores()) as pool:
        list(pool.map(write, range(1, count + 1)))


def write_classes(folder: Path, classes: int, images: int) -> None:
    """Write noise in the layout of Tiny ImageNet; for validation a fifth as many images of each class, or one."""
    wnids, lines = [f'n{i:08d}' for i in range(classes)], []
    (folder / 'val' / 'images').mkdir(parents=True)
    rng = np.random.default_rng(0)
    for wnid in wnids:
        (folder / 'train' / wnid / 'images').mkdir(parents=True)
        paths = [folder / 'train' / wnid / 'images' / f'{wnid}_{i}.JPEG' for i in range(images)]
        for _ in range(max(1, images // 5)):
            paths.append(folder / 'val' / 'images' / f'val_{len(lines)}.JPEG')
            lines.append(f'{paths[-1].name}\t{wnid}\t0\t0\t62\t62\n')
        for path in paths:
            low = rng.integers(0, 255, (8, 8, 3), np.uint8)
            # OpenCV goes by the end of the name, and does not know .JPEG on every system
            path.write_bytes(cv2.imencode('.jpg', cv2.resize(low, (64, 64)))[1].tobytes())
    (folder / 'val' / 'val_annotations.txt').write_text(''.join(lines))
    (folder / 'wnids.txt').write_text('\n'.join(wnids) + '\n')
    (folder / 'words.txt').write_text(''.join(f'{wnid}\t{wnid}\n' for wnid in wnids))


class GpuCheck:
    """Runs the rows, and writes what came of them after each: nothing is lost when it is cut off.

    Args:
        out (Path): Folder for ``gpu_check.json`` and ``gpu_check.md``.
        minutes (float): How long it may take.
        device (str): ``'cuda'`` or ``'cpu'``.
        small (bool): Whether everything is tiny, to see that it runs.
        only (Sequence[str]): Rows are left out in whose name none of these words is. Defaults to all rows.
    """

    def __init__(
        self, out: Path, minutes: float, device: str, small: bool, only: Sequence[str] = ()
    ):
        self.begin, self.out = time.monotonic(), out
        self.end = self.begin + 60 * minutes - 5
        self.device, self.small = device, small
        # tiny layers gain nothing by more threads
        self.cores = 1 if small else available_cores()
        self.settings = dict(minutes=minutes, device=device, small=small)
        self.settings['workers'] = 1 if small else max(1, min(12, self.cores - 4))
        rows = planned_rows(*((4, 8) if small else (64, 256)))
        self.rows = [row for row in rows if not only or any(word in row.name for word in only)]

    def run(self) -> str:
        """Do everything, and return the tables."""
        self.folder = Path(tempfile.mkdtemp())
        try:
            size, pairs = ((64, 64), 40) if self.small else ((720, 480), 3840)
            write_pairs(self.folder / 'moon', pairs, size)
            write_pairs(self.folder / 'few', 40 if self.small else 160, size)
            write_classes(self.folder / 'tiny', 200, 1 if self.small else 60)
            os.environ['MOON_DATA'] = str(self.folder / 'moon')
            os.environ['TINY_IMAGENET'] = str(self.folder / 'tiny')
            self.settings['data_seconds'] = round(time.monotonic() - self.begin, 1)
            self.machine = machine_facts(self.cores)
            self._run_rows()
            return self._write()
        finally:
            shutil.rmtree(self.folder, ignore_errors=True)

    def _run_rows(self) -> None:
        started: dict[int, ContestantProcess | Exception] = {}
        for number, row in enumerate(self.rows):
            left = self.end - time.monotonic()
            if left < SECONDS.get(row.how, SECONDS['train']):
                row.result = dict(dropped='no time was left')
                continue
            # the next ones import while this one is measured
            for i, ahead in enumerate(self.rows[number : number + 3], number):
                if i not in started and ahead.how != 'checks':
                    started[i] = self._started(ahead)
            row.result = (
                self._check() if row.how == 'checks' else self._measured(started.pop(number))
            )
            name, rate, *_, note = cells(row)
            print(
                f'{time.monotonic() - self.begin:.0f} s: {name}: {rate or 0:.4g} images/s {note}',
                flush=True,
            )
            self._write()
        for process in started.values():
            if isinstance(process, ContestantProcess):
                process.close(1)

    def _started(self, row: Row) -> ContestantProcess | Exception:
        try:
            log = self.folder / f'{len(list(self.folder.iterdir()))}.log'
            return ContestantProcess(self._contestant(row), log, self.cores)
        except Exception as error:
            return error

    def _measured(self, process: ContestantProcess | Exception) -> dict:
        if isinstance(process, Exception):
            return dict(error=f'{type(process).__name__}: {process}')

        begin, found = time.monotonic(), dict(rounds=[])
        end = min(self.end, begin + LIMIT)

        def ask(command: str) -> dict:
            return process.ask(command, end - time.monotonic())

        try:
            found |= ask('build')
            # the first warms up, and compiles
            ask('time')
            found['seconds_before'] = time.monotonic() - begin
            while (
                len(found['rounds']) < 3
                and sum(sum(r['seconds'].values()) for r in found['rounds']) < 4
            ):
                found['rounds'].append(ask('time'))
            if 'split_ms' in found['rounds'][0]:
                found['split'] = ask('split')
        except Exception as error:
            found['error'] = f'{type(error).__name__}: {error}'
        process.close(5)
        return found

    def _contestant(self, row: Row) -> Contestant:
        cfg = self._config(row)
        size, on_gpu = load_size(cfg), self.device == 'cuda'
        if row.who == 'stock':
            # stock has no mixed precision on a CPU
            precision = 'float32' if row.how != 'amp' else 'amp' if on_gpu else 'as given'
            cfg = stock_config(cfg, size, self.settings['workers'], precision)
            if precision == 'amp':
                # as in the libraries' own tools/train.py
                cfg.optim_wrapper.loss_scale = 'dynamic'
        cfg.work_dir = (self.folder / 'runs' / str(self.rows.index(row))).as_posix()
        if row.how == 'infer':
            kind = BarePrediction if row.who == 'bare loop' else ConfigPrediction
            one = kind(row.name, '', cfg, size)
            one.batches, one.images = (1, row.batch), 8 if self.small else 128
            return one
        kinds = {'project': RunnerTraining, 'stock': StockTraining, 'bare loop': BareTraining}
        return kinds[row.who](row.name, '', cfg, size)

    def _config(self, row: Row) -> Config:
        workers, parts = self.settings['workers'], ('train', 'val', 'test')
        options = {'train_cfg.max_epochs': 6, 'train_dataloader.batch_size': row.batch}
        if row.config != CLASSIFIER:
            # a classifier's batches are looked up on the device
            options |= {
                'train_dataloader.num_workers': workers,
                'val_dataloader.num_workers': min(4, workers),
            }
        # mmseg validates image by image: all of them would be most of a stock row's time
        options |= {'val_dataloader.dataset.indices': 4 if self.small else 128}
        if self.small:
            options |= {'train_dataloader.dataset.indices': 12}
            # a frozen one has its checkpoint's
            options |= {} if row.config == FROZEN else {'model.backbone.widths': [4] * 5}
        if row.config != CLASSIFIER:
            options |= {f'{part}_dataloader.dataset.check': False for part in parts}
            if self.small:
                options |= {f'{part}_dataloader.dataset.load_size': (64, 64) for part in parts}
        elif self.small:
            options |= {'model.head.in_channels': 4, 'model.backbone.depths': [1] * 4}
        if row.how in ('amp', 'compiled'):
            options |= {'optim_wrapper.type': 'BFloat16OptimWrapper'}
            if self.device == 'cuda':
                # as tools/train.py --amp
                options |= {
                    'optim_wrapper.type': 'AmpOptimWrapper',
                    'optim_wrapper.dtype': 'bfloat16',
                }
                options |= {'optim_wrapper.loss_scale.enabled': False}
        if row.how == 'compiled':
            options |= {'default_hooks.compile.enabled': True}
        file = str(REPOSITORY / 'configs' / f'{row.config}.py')
        cfg = load_config(file, options)
        # one size all the time, as the others have
        cfg.default_hooks.pop('progressive_resize', None)
        if row.on_device:
            for key, value in LEVERS['batch_augmentation'][1].items():
                cfg.merge_from_dict({key: value})
        return cfg

    def _check(self) -> dict:
        """Run the checks side by side: their time does not count."""
        same = ['randomness.deterministic=True', 'env_cfg.cudnn_benchmark=False']
        pool = ThreadPoolExecutor(10)

        def train(name: str, *options: str, **more: str) -> Callable[[], Path]:
            return pool.submit(self._train, name, options, **more).result

        once, again = train('once'), train('again')
        whole, twin = train('whole', *same), train('twin', *same)
        killed = train('killed', *same, until='epoch_2.pth')
        ranks = {}
        for backend, port in (('gloo', '29611'), ('nccl', '29612')):
            # a launcher would give the second a second GPU
            where = dict(WORLD_SIZE='2', LOCAL_RANK='0', MASTER_ADDR='127.0.0.1', MASTER_PORT=port)
            option = f'env_cfg.dist_cfg.backend={backend}'
            ranks[backend] = [train(f'{backend}{i}', option, RANK=str(i), **where) for i in (0, 1)]
        checks = {
            'one seed twice': lambda: deviation(once(), again()),
            'one seed twice, deterministic': lambda: deviation(whole(), twin()),
            'killed in epoch 3 of 4 and resumed, beside one that was not': lambda: deviation(
                whole(), killed() and self._train('killed', same)
            ),
        }
        for backend, both in ranks.items():
            checks[f'two ranks on one GPU, {backend}'] = lambda both=both: (
                [one() for one in both] and 'trained 4 epochs'
            )
        found = {}
        for name, check in checks.items():
            try:
                found[name] = check()
            except Exception as error:
                found[name] = f'failed: {error}'
        return dict(checks=found)

    def _train(
        self, name: str, options: Sequence[str], until: str = '', **environment: str
    ) -> Path:
        """Run four short epochs of ``tools/train.py --amp``, whose augmentation follows from the step, or kill it when a file is there; return its folder."""
        folder, batch = self.folder / 'checks' / name, 4 if self.small else 32
        side = 64 if self.small else 128
        command = [
            sys.executable,
            REPOSITORY / 'tools' / 'train.py',
            REPOSITORY / 'configs' / 'ablations' / 'batch_augmentation.py',
        ]
        command += ['--work-dir', folder, '--amp', '--resume']
        command += ['--launcher', 'pytorch'] if environment else []
        command += ['--cfg-options', 'train_cfg.max_epochs=4', *options]
        command += [f'train_dataloader.batch_size={batch}']
        command += [
            f'{p}_dataloader.dataset.load_size=({side},{side})' for p in ('train', 'val', 'test')
        ]
        given = dict(MOON_DATA=str(self.folder / 'few'), OMP_NUM_THREADS='1')
        log = self.folder / f'{name}.log'
        with log.open('a') as file:
            process = subprocess.Popen(
                list(map(str, command)),
                stdout=file,
                stderr=file,
                env=os.environ | given | environment,
                start_new_session=True,
            )
        while process.poll() is None:
            reached, late = until and (folder / until).exists(), time.monotonic() > self.end
            if reached or late:
                os.killpg(process.pid, signal.SIGKILL)
                process.wait()
                if late:
                    raise TimeoutError('no time was left')
                return folder
            time.sleep(0.02)
        if process.returncode or until:
            lines = [line for line in log.read_text().splitlines() if 'rror' in line]
            raise RuntimeError(lines[-1] if lines else 'it ended before it was killed')
        return folder

    def _write(self) -> str:
        rows = [asdict(row) | dict(name=row.name) for row in self.rows]
        seconds = round(time.monotonic() - self.begin, 1)
        results = dict(machine=self.machine, settings=self.settings, seconds=seconds, rows=rows)
        numbers = json.dumps(plain_values(results), allow_nan=False, indent=1)
        text = markdown(self.rows, f'{machine_line(self.machine)}\n{self.settings}, {seconds} s')
        write_atomically(self.out / 'gpu_check.json', numbers.encode())
        write_atomically(self.out / 'gpu_check.md', text.encode())
        return text


def deviation(one: Path, other: Path) -> str:
    """Say how far the last weights of two runs are apart."""
    first, second = (read_weights(folder / 'epoch_4.pth') for folder in (one, other))
    apart = max(
        float((a.double() - second[name].double()).abs().max()) for name, a in first.items()
    )
    return f'largest deviation of a weight {apart:.3g}' if apart else 'bit-identical'


def cells(row: Row) -> list:
    """Sum up a row: name, images/s of training and of whole epochs, waiting for data in %, GPU memory in MiB, or what failed."""
    found, rounds = row.result, row.result.get('rounds')
    if not rounds or 'split_ms' not in rounds[0]:
        last = str(found.get('error', '')).strip().split('\n')[-1]
        return [row.name, None, None, None, None, last or found.get('dropped', '')]
    rates = [
        float(np.median([one['images'][kind] / one['seconds'][kind] for one in rounds]))
        for kind in ('training', 'epoch')
    ]
    waited = sum(one['split_ms']['data'] for one in rounds)
    share = 100 * waited / sum(one['iteration_ms'] for one in rounds)
    return [row.name, *rates, share, rounds[-1]['memory_mib']['gpu'], '']


def markdown(rows: Sequence[Row], title: str) -> str:
    """Lay out the rows in tables."""
    done = [row for row in rows if row.result and row.how not in ('infer', 'checks')]
    heads = ['row', 'images/s, training', 'whole epochs', 'waiting for data %', 'GPU MiB', 'note']
    blocks = [title, table(heads, [cells(row) for row in done])]
    rates = {(r.config, r.batch, r.who, r.how): cells(r)[1] for r in done}
    ratios = []
    for row in done:
        others = (('stock', 'float32'), ('stock', 'amp'), ('bare loop', row.how))
        if row.who == 'project' and cells(row)[1]:
            theirs = [rates.get((row.config, row.batch, *other)) for other in others]
            ratios.append([row.name, *(rate and cells(row)[1] / rate for rate in theirs)])
    heads = ['training is so many times as fast as', 'stock float32', 'stock AMP', 'bare loop']
    blocks.append(table(heads, ratios))
    split = [row for row in done if 'split' in row.result]
    parts = [[r.name, *(r.result['split']['split_ms'][p] for p in PARTS)] for r in split]
    blocks.append(table(['ms/iteration', *PARTS], parts))
    rates = [
        [row.name, kind, row.result['rounds'][-1]['images'][kind] / seconds]
        for row in rows
        if row.how == 'infer' and row.result.get('rounds')
        for kind, seconds in row.result['rounds'][-1]['seconds'].items()
    ]
    blocks.append(table(['prediction', 'what, batch', 'images/s'], rates))
    checks = [item for row in rows for item in row.result.get('checks', {}).items()]
    blocks.append(table(['check', 'what came of it'], checks))
    dropped = [row.name for row in rows if 'dropped' in row.result]
    blocks.append('Left out, since no time was left: ' + ('; '.join(dropped) or 'nothing') + '.')
    errors = [
        f'{row.name}:\n```\n{row.result["error"]}\n```' for row in rows if 'error' in row.result
    ]
    return '\n\n'.join([*blocks, *errors]) + '\n'
