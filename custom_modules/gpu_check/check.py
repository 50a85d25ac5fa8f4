"""Measures the rows of the GPU check in order of importance, in a process for each kind of contestant, within a given time."""

import itertools
import os
import tempfile
import time
import traceback
from collections.abc import Callable, Mapping, Sequence
from pathlib import Path
from typing import NamedTuple

import cv2
import numpy as np
from mmengine.config import Config

from custom_modules.benchmark.configs import fixed_image_size
from custom_modules.benchmark.measuring import Contestant, begin, measure
from custom_modules.benchmark.prediction import prediction_contestants
from custom_modules.benchmark.tables import contestant_tables, facts_line, summarize, write_results
from custom_modules.benchmark.training import training_contestants
from custom_modules.engine.config import load_config
from custom_modules.engine.devices import precision_of, set_mixed_precision
from custom_modules.preparation.synthetic.dataset import SyntheticSet
from custom_modules.utils.files import REPOSITORY
from custom_modules.utils.machine import LoggedProcess, available_cores, machine_facts

from .repeatability import check_repeatability

SECONDS = dict(compiled=45, checks=40)  # a row is skipped if fewer are left; other rows need 15
LIMIT = 100  # seconds after which a row is ended, so that one that hangs leaves time for the others
COUNTED, ROUNDS = 2.0, 6  # a row is measured for so many seconds or rounds, whichever is reached first
UNET, FROZEN, CLASSIFIER = 'unet_baseline', 'unet_backbone_frozen', 'classifier'
# generated training images: 24 batches of 64 or 6 of 256; those of the classifier are smaller
IMAGES = {UNET: 1536, FROZEN: 1536, CLASSIFIER: 2560}
ON_DEVICE = REPOSITORY / 'configs' / 'ablations' / 'batch_augmentation.py'


class Row(NamedTuple):
    """One measurement: which contestant trains or predicts with which config, and how."""

    config: str  # name, '' for the checks
    who: str  # 'project', 'stock' or 'bare loop'
    how: str  # 'float32', 'amp' (bfloat16; stock's own is float16), 'compiled' (bfloat16) or 'infer' (float32)
    batch: int
    on_device: bool = False  # whether whole batches are held and augmented on the device

    @property
    def name(self) -> str:
        """What the tables call it."""
        if not self.config:
            return self.who
        amp = 'own AMP' if self.who == 'stock' else 'bfloat16'
        how = dict(amp=amp, compiled='bfloat16 compiled', infer='predicts in float32')
        where = ', augmented on the device' if self.on_device else ''
        return f'{self.config} {self.batch}: {self.who} {how.get(self.how, self.how)}{where}'


def planned_rows(small: int, large: int) -> list[Row]:
    """List the rows for two batch sizes, the most important first."""
    amp = [('project', 'amp'), ('stock', 'float32'), ('bare loop', 'amp'), ('stock', 'amp')]
    compiled = [('project', 'compiled'), ('bare loop', 'compiled')]
    float32 = [('project', 'float32'), ('bare loop', 'float32')]

    def rows(config: str, pairs: list[tuple[str, str]], batch: int) -> list[Row]:
        return [Row(config, who, how, batch, config != CLASSIFIER and who == 'project') for who, how in pairs]

    found = rows(UNET, amp, small) + rows(CLASSIFIER, amp, small) + rows(FROZEN, amp[::2], small)
    found += [*rows(UNET, amp[::2], large), Row('', 'checks', 'checks', 0)]
    found += [*rows(UNET, compiled, small), Row(UNET, 'project', 'amp', small)]
    found += [Row(UNET, who, 'infer', small) for who in ('project', 'stock', 'bare loop')]
    for batch, pairs, config in itertools.product((small, large), (amp, compiled, float32), (UNET, CLASSIFIER, FROZEN)):
        found += rows(config, pairs, batch)
    return list(dict.fromkeys(found))


class GpuCheck:
    """Measures rows on ``device``, ``'cuda'`` or ``'cpu'``, for ``minutes``, and writes ``gpu_check.json`` and ``.md`` to ``out``.

    Results are written after each row, so that nothing is lost on interruption. ``small`` makes everything tiny, to test that
    it runs; ``only`` selects the rows that have one of these words in their name.
    """

    def __init__(self, out: Path, minutes, device: str, small=False, only: Sequence[str] = ()):
        self.begin, self.out = time.monotonic(), out
        self.end = self.begin + 60 * minutes - 5
        self.device, self.small, self.processes, self.results = device, small, {}, {}
        # tiny layers gain nothing from more threads
        self.cores = 1 if small else available_cores()
        self.workers = 1 if small else max(1, min(12, self.cores - 4))
        self.settings = dict(minutes=minutes, device=device, small=small, workers=self.workers)
        rows = planned_rows(4, 8) if small else planned_rows(64, 256)
        self.rows = [row for row in rows if not only or any(word in row.name for word in only)]

    def run(self) -> str:
        """Measure all rows, and return the tables."""
        with tempfile.TemporaryDirectory(ignore_cleanup_errors=True) as folder:
            self.folder = Path(folder)
            try:
                return self._run()
            finally:
                for process in self.processes.values():
                    process.close(wait=False)

    def _run(self) -> str:
        moon, classes = self.folder / 'moon', self.folder / 'tiny'
        os.environ |= dict(MOON_DATA=str(moon), TINY_IMAGENET=str(classes))
        count, size = (40, (64, 64)) if self.small else (2000, (256, 192))
        SyntheticSet(moon, count, size, seed=0).make(self.cores)
        write_classes(classes, 200, 1 if self.small else 13)
        self.settings['data_seconds'] = round(time.monotonic() - self.begin, 1)
        self.machine = machine_facts(self.cores)
        for number, row in enumerate(self.rows):
            if self.end - time.monotonic() < SECONDS.get(row.how, 15):
                self.results[row] = dict(dropped='no time was left')
                continue
            # the processes of the next rows start importing while this one is measured
            for ahead in self.rows[number : number + 3]:
                if ahead.how != 'checks':
                    self._process(ahead)
            self.results[row] = result = self._check() if row.how == 'checks' else self._measure(row)
            note = 'failed' if 'error' in result else result.get('dropped', 'done')
            print(f'{time.monotonic() - self.begin:.0f} s: {row.name}: {note}', flush=True)
            self._write()
        return self._write()

    def _process(self, row: Row) -> LoggedProcess:
        """Return the process for a row's contestant and library, which its other batch sizes and precisions share."""
        key = row.who, 'classification' if row.config == CLASSIFIER else 'segmentation'
        if key not in self.processes:
            log = self.folder / f'{"_".join(key)}.log'
            self.processes[key] = LoggedProcess(log, [f'custom_modules.{key[1]}'], self.cores)
        return self.processes[key]

    def _check(self) -> dict:
        batch, train, val = (4, 12, 4) if self.small else (32, 128, 32)
        options = [f'train_dataloader.batch_size={batch}', f'train_dataloader.dataset.indices={train}']
        options.append(f'val_dataloader.dataset.indices={val}')
        left = self.end - time.monotonic()
        return dict(checks=check_repeatability(ON_DEVICE, self.folder / 'checks', options, dict(OMP_NUM_THREADS='1'), left))

    def _measure(self, row: Row) -> dict:
        start = time.monotonic()
        end = min(self.end, start + LIMIT)

        def call(function: Callable, *args: Contestant) -> dict:
            return self._process(row).call(function, *args, seconds=end - time.monotonic())

        try:
            facts = call(begin, self._contestant(row))
            # the first round warms up and compiles
            rounds, ready = [dict(call(measure), warm_up=True)], time.monotonic()
            while len(rounds) <= ROUNDS and time.monotonic() - ready < COUNTED:
                rounds.append(dict(call(measure), warm_up=False))
            took = dict(seconds_before=ready - start, seconds_in_all=time.monotonic() - start)
            return dict(facts, **took, rounds=rounds)
        except Exception as error:
            # the process is ended, and the next row gets a new one; rounds of a failed row do not count
            process = self._process(row)
            self.processes = {key: other for key, other in self.processes.items() if other is not process}
            process.close(wait=False)
            if isinstance(error, TimeoutError) and end == self.end:
                return dict(dropped='no time was left')
            return dict(error=''.join(traceback.format_exception(error)))

    def _contestant(self, row: Row) -> Contestant:
        cfg = self._config(row)
        size = fixed_image_size(cfg, 'train')
        name = f'stock {precision_of(cfg)}' if (row.who, row.how) == ('stock', 'amp') else row.who
        if row.how == 'infer':
            contestants = prediction_contestants(cfg, size, (), (1, row.batch), 8 if self.small else 128, self.cores)
        else:
            folder = self.folder / f'row_{self.rows.index(row)}'
            contestants = training_contestants(cfg, size, folder, ROUNDS + 2, self.workers)
        return next(one for one in contestants if one.name == name)

    def _config(self, row: Row) -> Config:
        # few for validation: mmseg validates image by image, which would take most of a stock row's time
        train, val = (12, 4) if self.small else (IMAGES[row.config], 64)
        options = {
            'train_dataloader.batch_size': row.batch,
            'train_dataloader.dataset.indices': train,
            'val_dataloader.dataset.indices': val,
            'default_hooks.compile.enabled': row.how == 'compiled',
        }
        # batches that are held on the device, as the classifier's always are, need no workers
        if row.config != CLASSIFIER:
            for part, workers in (('train', 0 if row.on_device else self.workers), ('val', self.workers)):
                options |= {f'{part}_dataloader.dataset.check': False, f'{part}_dataloader.num_workers': workers}
        # the widths of the frozen one are those of its checkpoint
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
        rows = [dict(row._asdict(), result=self.results.get(row, {}), name=row.name) for row in self.rows]
        text = markdown(self.results, facts_line(self.machine | self.settings))
        write_results(self.out / 'gpu_check', dict(machine=self.machine, settings=self.settings, rows=rows), text)
        return text


def markdown(results: Mapping[Row, dict], title: str) -> str:
    """Lay out the results of the rows, with a table for each config and batch size."""
    blocks, groups = [title], {}
    for row, result in results.items():
        if 'rounds' in result:
            groups.setdefault((row.config, row.batch, row.how == 'infer'), {})[row.name.split(': ')[1]] = result
        blocks += [f'{name}: {outcome}' for name, outcome in result.get('checks', {}).items()]
    for (config, batch, _), facts in groups.items():
        rounds = {name: result['rounds'] for name, result in facts.items()}
        blocks += [f'{config}, batch {batch}:', *contestant_tables(summarize(facts, rounds))]
    dropped = [row.name for row, result in results.items() if 'dropped' in result]
    blocks.append('Left out, since no time was left: ' + ('; '.join(dropped) or 'nothing') + '.')
    blocks += [f'{row.name}:\n```\n{result["error"]}\n```' for row, result in results.items() if 'error' in result]
    return '\n\n'.join(blocks) + '\n'


def write_classes(folder: Path, classes: int, images: int) -> None:
    """Write 64x64 JPEG pictures in the layout of Tiny ImageNet: for each of the classes ``images`` for training, one for validation."""
    wnids, rng = [f'n{i:08d}' for i in range(classes)], np.random.default_rng(0)
    paths = [folder / 'train' / w / 'images' / f'{w}_{i}.JPEG' for w in wnids for i in range(images)]
    for path in paths + [folder / 'val' / 'images' / f'{w}.JPEG' for w in wnids]:
        path.parent.mkdir(parents=True, exist_ok=True)
        coarse = rng.integers(0, 255, (8, 8, 3), np.uint8)
        # not cv2.imwrite, which does not know the suffix .JPEG on every system
        path.write_bytes(cv2.imencode('.jpg', cv2.resize(coarse, (64, 64)))[1].tobytes())
    (folder / 'val' / 'val_annotations.txt').write_text(''.join(f'{w}.JPEG\t{w}\t0\t0\t62\t62\n' for w in wnids))
    (folder / 'wnids.txt').write_text('\n'.join(wnids) + '\n')
