"""A run's work dir: its config, scalars and checkpoints."""

import functools
import json
import math
import re
from pathlib import Path

import numpy as np
import pandas as pd
from mmengine.hooks import EarlyStoppingHook

from custom_modules.datasets.splits import FOLDS
from custom_modules.engine.config import loaded_data_sets, read_config, value_at
from custom_modules.reporting.config_changes import distinct_tails
from custom_modules.utils.errors import UsageError


def scalar_files(work_dir: Path) -> list[Path]:
    """List the files of scalars of a run, one for each start that logged any, in the order of the starts."""
    # their folders are named after the time
    return [p for p in sorted(work_dir.glob('*/vis_data/scalars.json')) if p.stat().st_size]


def read_scalars(work_dir: Path) -> tuple[pd.DataFrame, pd.DataFrame]:
    """Read the scalars that mmengine logged in a work dir, across resumes.

    A start that begins with epoch 1 is a new run, which replaces all before it; any other is a resume, whose epochs replace
    those of the same number. Returns the training's scalars by epoch (means over the epoch, the last learning rates), and
    the validations' scalars by epoch; either may be empty.
    """
    train, val = pd.DataFrame(), pd.DataFrame()
    for path in scalar_files(work_dir):
        rows, epoch = _rows(path), None
        for row in rows:
            epoch = row.get('epoch', epoch)
            # LoggerHook(log_metric_by_epoch=False) gives validations the number of the iteration
            if epoch and 'epoch' not in row:
                row['step'] = epoch
        epochs = _epochs([row for row in rows if 'epoch' in row])
        scores = pd.DataFrame(row for row in rows if 'epoch' not in row)
        if not scores.empty:
            scores = scores.groupby('step').last()
        if epochs.empty and scores.empty:
            continue
        if 1 in epochs.index and not train.empty and 1 not in train.index:
            # the clock was set back before a resume, by a time zone or the end of summer time
            train, val = _resumed(epochs, train), _resumed(scores, val)
        elif 1 in epochs.index or train.empty:
            train, val = epochs, scores
        else:
            train, val = _resumed(train, epochs), _resumed(val, scores)
    return train, val


def _rows(path: Path) -> list[dict]:
    try:
        # without what follows the last newline: a run may have been killed within a line
        return [dict(json.loads(line)) for line in path.read_text(encoding='utf-8').split('\n')[:-1]]
    except (ValueError, TypeError) as error:
        raise UsageError(f'{path} is damaged ({error}): train anew, or leave this run out.') from error


def _epochs(lines: list[dict]) -> pd.DataFrame:
    if not lines:
        return pd.DataFrame()
    table = pd.DataFrame(lines)
    by_epoch = table.groupby('epoch')
    epochs = by_epoch.mean()
    if 'loss' in table:
        # mean() skips nan
        epochs.loc[~np.isfinite(table['loss']).groupby(table['epoch']).all(), 'loss'] = math.nan
    rates = [c for c in epochs if c == 'lr' or c.startswith('lr/') or c == 'frozen_stages']
    epochs[rates] = by_epoch[rates].last()
    return epochs


def _resumed(before: pd.DataFrame, after: pd.DataFrame) -> pd.DataFrame:
    return pd.concat([before[~before.index.isin(after.index)], after]).sort_index()


def run_config(path: Path) -> tuple:
    """Read the experiment's name, and the config of the run's latest start.

    Of a resumed run ``resume`` and ``load_from`` are those of its first start, since a resume loads its own checkpoint. Raises a
    UsageError if the folder holds no config or several, or it cannot be read.
    """
    configs = sorted(path.glob('*.py'))
    if len(configs) != 1:
        raise UsageError(
            f'{path} is not the work dir of one run, which holds one config, the one that it ran with; found {len(configs)}: '
            'give the folder that tools/train.py wrote.'
        )
    # the configs beside the scalars are the training's; tools/test.py may have replaced the one in the work dir
    beside = (file.with_name('config.py') for file in reversed(scalar_files(path)))
    starts = [file for file in beside if file.is_file()] or configs
    cfg = read_config(starts[0], 'train anew')
    for start in starts[1:]:
        if not cfg.get('resume'):
            break
        earlier = read_config(start, 'train anew')
        cfg.resume, cfg.load_from = earlier.get('resume', False), earlier.get('load_from')
    return configs[0].stem, cfg


def require_work_dir(path: str | Path) -> None:
    """Refuse a folder that does not exist."""
    if not Path(path).is_dir():
        raise UsageError(f'there is no work dir {path}: give folders of tools/train.py, like work_dirs/unet_baseline.')


class RunFolder:
    """The work dir of a run.

    Args:
        path (str | Path): The work dir.
        last_epoch (bool): Whether the last epoch's checkpoint is to be scored, not the best one. Defaults to False.

    Attributes:
        name (str): The config's name, which is the experiment's.
        cfg (mmengine.Config): The config that it ran with, options of the command line included.
        group (Path): Of a run of tools/sweep.py the folder of all seeds and folds, without ``/seed_0``; else the work dir.
        title (str): The work dir, short.
        seed (int | None): None if the run drew a random one.
        monitored (str | None): The score by which the best checkpoint was chosen, the first of several.
        train, val (pd.DataFrame): Scalars of the training, and scores of the validations, by epoch.
        epochs (int): Number of epochs that were trained and, if there is a validation, validated.

    Raises:
        UsageError: If there is no such folder, or it holds no config or no logged epoch.
    """

    def __init__(self, path: str | Path, last_epoch: bool = False) -> None:
        require_work_dir(path)
        self.path, self.last_epoch = Path(path), last_epoch
        self.group = self.path.parent if re.fullmatch(r'seed_\d+(_fold\d+)?', self.path.name) else self.path
        self.title = self.path.relative_to(self.group.parent).as_posix()
        self.name, self.cfg = run_config(self.path)
        self.seed = value_at(self.cfg, 'randomness', 'seed')
        self.monitored, less = monitored_score(self.cfg)
        self._sign = -1 if less else 1
        self.train, self.val = read_scalars(self.path)
        if self.train.empty:
            raise UsageError(f'{path} has no logged epoch: its training broke off before; train anew.')
        self.epochs = int((self.train if self.val.empty else self.val).index.max())

    @property
    def gap(self) -> str | None:
        """What the run lacks; None if it is complete: all epochs, or stopped early."""
        planned = value_at(self.cfg, 'train_cfg', 'max_epochs')
        if planned is None:
            return 'it is not trained by epochs (train_cfg has no max_epochs)'
        if self.epochs < planned and not self._stopped_early:
            return f'unfinished: {self.epochs} of {planned} epochs'
        if self._diverged_from is not None:
            return f'its loss is nan or infinite from epoch {self._diverged_from} to the end: its weights are worth nothing'
        due, written = self._checkpoint_due(planned), self._checkpoint_written
        if due and written is not None and written < due:
            return f'the checkpoint of epoch {due} was not written'
        if self._best_is_missing and not self.last_epoch:
            # killed between logging a validation and writing its checkpoint
            return f'epoch {self.epochs} has the best {self.monitored}, and its best checkpoint was not written'
        return None

    @functools.cached_property
    def checkpoint(self) -> Path:
        """The checkpoint to score: the best by the monitored score, or the last if there is no best or ``last_epoch`` is set.

        Raises a UsageError if there is none.
        """
        best = self._best_files
        if best and not self.last_epoch:
            # a resume from an earlier epoch leaves an older best one behind
            def rank(path: Path) -> tuple[float, int]:
                logged = self.score(self.monitored, _epoch_of(path))
                return (-math.inf if logged is None else self._sign * logged, _epoch_of(path))

            return max(best, key=rank)
        last = sorted(self.path.glob('epoch_*.pth'), key=_epoch_of)
        if not last and not self.last_epoch:
            last = sorted(self.path.glob('best_*_epoch_*.pth'), key=_epoch_of)
        if not last:
            what = 'checkpoint of its last epoch' if self.last_epoch else 'checkpoint'
            raise UsageError(f'{self.path} holds no {what}: train anew.')
        return last[-1]

    @property
    def best_epoch(self) -> int:
        """The epoch of :attr:`checkpoint`."""
        return _epoch_of(self.checkpoint)

    def score(self, name: str, epoch: int) -> float | None:
        """Look up a validation's logged score; None if it was not logged."""
        value = self.val[name].get(epoch) if name in self.val else None
        return None if pd.isna(value) else float(value)

    @property
    def _diverged_from(self) -> int | None:
        """The epoch from which on no loss is finite; None if the last one is finite."""
        losses = self.train['loss'] if 'loss' in self.train else pd.Series([0.0])
        if math.isfinite(losses.iloc[-1]):
            return None
        finite = losses.index[np.isfinite(losses)]
        return int(self.train.index[self.train.index > max(finite, default=0)].min())

    def _checkpoint_due(self, planned: int) -> int:
        """The last epoch whose checkpoint should have been written; 0 for none."""
        hook = value_at(self.cfg, 'default_hooks', 'checkpoint') or {}
        if not hook.get('by_epoch', True):
            return 0
        if hook.get('save_last', True) and self.epochs >= planned:
            return planned
        interval = hook.get('interval', -1)
        return self.epochs // interval * interval if interval > 0 else 0

    @property
    def _checkpoint_written(self) -> int | None:
        """The last epoch whose checkpoint was written; None if that is unknown, since only a best one is left."""
        names = [path.name for path in self.path.glob('epoch_*.pth')]
        pointer = self.path / 'last_checkpoint'
        # written after the checkpoint that it names, which may have been removed since; after a kill it may be empty
        if pointer.is_file():
            names.append(pointer.read_text(encoding='utf-8', errors='replace'))
        found = (re.search(r'epoch_(\d+)\.pth\s*$', name) for name in names)
        return max((int(epoch[1]) for epoch in found if epoch), default=None)

    @property
    def _best_is_missing(self) -> bool:
        """Whether the last validation was the best, but only earlier best checkpoints are there."""
        if self.monitored not in self.val:
            return False
        scores = self.val[self.monitored].dropna() * self._sign
        written = {_epoch_of(path) for path in self._best_files}
        better = len(scores) > 1 and scores.iloc[-1] > scores.iloc[:-1].max()
        return bool(written) and better and scores.index[-1] not in written

    @property
    def _best_files(self) -> list[Path]:
        score = (self.monitored or '').replace('/', '_')
        return list(self.path.glob(f'best_{score}_epoch_*.pth')) if score else []

    @property
    def _stopped_early(self) -> bool:
        options = dict(value_at(self.cfg, 'default_hooks', 'early_stopping') or {})
        if options.get('monitor') not in self.val:
            return False
        # mmengine's own rule, on the logged scores
        hook = EarlyStoppingHook(**{key: options[key] for key in options if key not in ('type', 'priority')})
        return any([hook._check_stop_condition(score)[0] for score in self.val[hook.monitor].dropna()])


def held_out_fold(cfg) -> tuple[int, int] | None:
    """Read from a config the fold that it tests on, and the number of folds; None without cross-validation."""
    for _, dataset in loaded_data_sets(cfg, ['test']):
        if dataset.get('fold') is not None and dataset.get('split') == 'test':
            return int(dataset['fold']), int(dataset.get('folds', FOLDS))
    return None


def monitored_score(cfg) -> tuple[str | None, bool]:
    """Read from a config by which score the best checkpoint is chosen, the first of several, and whether less is better."""
    hook = value_at(cfg, 'default_hooks', 'checkpoint') or {}
    best, rule = (v[0] if isinstance(v, list | tuple) else v for v in (hook.get('save_best'), hook.get('rule')))
    # mmengine infers a rule from the name
    less = rule == 'less' if rule else 'loss' in str(best).lower()
    return best, less


def logged_progress(work_dir: Path, cfg) -> tuple[int, float | None]:
    """Read a training's progress, while it runs or afterwards: the last epoch, and the best monitored score so far."""
    score, less = monitored_score(cfg)
    try:
        train, val = read_scalars(work_dir)
    except (OSError, ValueError, KeyError):
        # the log is just being written
        return 0, None
    scores = val[score].dropna() if score in val else ()
    best = float(min(scores) if less else max(scores)) if len(scores) else None
    return int(max([0, *train.index, *val.index])), best


def _epoch_of(path: Path) -> int:
    return int(re.search(r'epoch_(\d+)', path.name)[1])


def run_labels(runs: list[RunFolder]) -> list[str]:
    """Name runs by their title or, where two have the same, by as much of their path as tells them apart."""
    titles = [run.title for run in runs]
    return titles if len(set(titles)) == len(titles) else distinct_tails([run.path.parts for run in runs], '/')
