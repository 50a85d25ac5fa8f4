"""What a sweep trains: configs x varied settings x seeds x folds, each run in a work dir of its own."""

import itertools
import re
import sys
import threading
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path, PurePath
from typing import Any

from custom_modules.engine.config import hold_out, load_config, read_options, value_at
from custom_modules.engine.config_checks import check_config, require_one_split
from custom_modules.engine.data_checks import require_data_folders
from custom_modules.reporting.config_changes import config_difference, distinct_tails
from custom_modules.reporting.runs import RunFolder, run_config
from custom_modules.utils.errors import UsageError, first_line
from custom_modules.utils.files import REPOSITORY

TRAIN = REPOSITORY / 'tools' / 'train.py'
_CONFIG_LOCK = threading.Lock()  # mmengine reads a config through sys.modules, which threads share


@dataclass
class Run:
    """One training of a sweep."""

    config: Path
    name: str  # of all its seeds and folds: the config's name and what is varied
    seed: int
    folder: Path  # its work dir
    options: tuple[str, ...]  # its --cfg-options, as KEY=VALUE, without the seed
    cfg: Any  # the config with these options
    state: str = 'waits'  # or 'runs', 'finished', 'failed', 'interrupted'
    note: str = ''  # on this state
    minutes: float | None = None  # that this sweep trained it

    @property
    def command(self) -> list[str]:
        """The command line of its training."""
        arguments = [str(self.config), f'--work-dir={self.folder}', '--resume=auto']
        options = ['--cfg-options', *self.options, f'randomness.seed={self.seed}']
        return [sys.executable, str(TRAIN), *arguments, *options]

    def inspect(self) -> tuple[str, str]:
        """Look into its work dir: return what is there, and in words what is missing or differs.

        ``'new'``: no weights, so nothing to resume or lose; ``'unfinished'``: it can be resumed; ``'finished'``: by its log it reached
        its last epoch or was stopped early; ``'changed'``: a run of another config.
        """
        if not any(self.folder.glob('*.pth')):
            return 'new', ''
        with _CONFIG_LOCK:
            try:
                difference = config_difference(run_config(self.folder)[1], self.cfg)
            except UsageError as error:
                difference = str(error)
            if difference:
                return 'changed', difference
            try:
                gap = RunFolder(self.folder).gap
            except UsageError:
                gap = 'no epoch in its log'
        return ('unfinished', gap) if gap else ('finished', '')


def plan_sweep(
    configs: Sequence[str | Path],
    seeds: Sequence[int],
    root: str | Path,
    options: Sequence[str] = (),
    vary: Sequence[str] = (),
    folds: int | None = None,
) -> list[Run]:
    """List the trainings of a sweep, and check every config with its options before anything starts.

    ``options`` are the settings of all runs as ``KEY=VALUE``, ``vary`` those that take several values, as ``KEY=V1,V2``, in all
    combinations; ``folds`` is the number of parts of a cross-validation. A run's work dir is
    ``<root>/<config's name>__<key>_<value>/seed_<seed>_fold<k>``. All configs come first with the first seed, so that an
    interrupted sweep can be compared. Raises a UsageError if a config or an option cannot be read, two configs would share
    a folder, or something is given twice.
    """
    if min(seeds) < 0 or len(set(seeds)) < len(seeds):
        raise UsageError(f'--seeds takes different numbers from 0 on, got {list(seeds)}.')
    if folds is not None and folds < 2:
        raise UsageError(f'--folds is the number of parts of the data, at least 2, got {folds}.')
    settings, combinations = read_options(options), combine(vary)
    varied = {option.partition('=')[0] for _, chosen in combinations for option in chosen}
    for key in (*settings, *varied):
        if key in ('randomness', 'randomness.seed', 'work_dir'):
            raise UsageError(f'a sweep sets {key} by itself: use --seeds and --work-dir.')
        if key in settings and key in varied:
            raise UsageError(f'{key} is set by --cfg-options and by --vary: leave it out of one.')
    planned = {}
    for config in dict.fromkeys(map(Path, configs)):
        for suffix, chosen in combinations:
            name = config.stem + suffix
            if name in planned:
                raise UsageError(
                    f'{planned[name][0]} and {config} would both be written to {Path(root) / name}: give their files or the '
                    'varied values different names, or sweep them into different folders with --work-dir.'
                )
            planned[name] = config, _checked_folds(config, (*options, *chosen), folds)
    suffixes = [''] if folds is None else [f'_fold{k}' for k in range(folds)]
    runs = []
    for seed in seeds:
        for i, suffix in enumerate(suffixes):
            for name, (config, parts) in planned.items():
                runs.append(Run(config, name, seed, Path(root) / name / f'seed_{seed}{suffix}', *parts[i]))
    return runs


def combine(vary: Sequence[str]) -> list[tuple[str, list[str]]]:
    """List the combinations of the values of ``KEY=V1,V2,...``: what each adds to a folder's name, and its options; or a UsageError."""
    factors = {}
    for text in vary:
        key, _, rest = text.partition('=')
        values = _split(rest)
        if not key or not all(values) or len(set(values)) < len(values):
            raise UsageError(
                f'--vary takes KEY=V1,V2,... with different values, such as train_dataloader.batch_size=4,8, got {text!r}.'
            )
        if key in factors:
            raise UsageError(f'--vary names {key} twice: give all its values at once.')
        factors[key] = values
    # a key's name in folders: its last parts, as many as tell the keys apart
    names = distinct_tails([key.split('.') for key in factors], '.')
    combinations = []
    for values in itertools.product(*factors.values()):
        # of a path its name alone
        parts = [re.sub(r'[^\w.+-]+', '-', PurePath(v).stem if '/' in v else v).strip('-') for v in values]
        suffix = ''.join(f'__{name}_{part}' for name, part in zip(names, parts, strict=True))
        options = [f'{key}={value}' for key, value in zip(factors, values, strict=True)]
        combinations.append((suffix, options))
    return combinations


def _checked_folds(config: Path, options: Sequence[str], folds: int | None) -> list[tuple]:
    """Read and check a config; return the options of each fold, or of the whole, and the config with them."""
    title = f'{config} with {" ".join(options)}' if options else config
    try:
        cfg = load_config(config, read_options(options))
        check_config(cfg)
        parts = [((), cfg)] if folds is None else [hold_out(cfg, k, folds) for k in range(folds)]
        for _, part in parts:
            require_data_folders(part)
            require_one_split(part)
    except UsageError as error:
        raise UsageError(f'{title}: {error}') from error
    except Exception as error:
        # a config is a program: it can fail in any way
        reason = f'{type(error).__name__}: {first_line(error)}'
        raise UsageError(f'{title} cannot be read ({reason}): mend it, or the options.') from error
    epochs = value_at(cfg, 'train_cfg', 'max_epochs')
    if not isinstance(epochs, int):
        raise UsageError(
            f'{title} is not trained by epochs (train_cfg.max_epochs is {epochs!r}), so that a sweep cannot tell when it '
            'is finished: leave it out, or give it a number.'
        )
    return [((*options, *own), part) for own, part in parts]


def _split(text: str) -> list[str]:
    """Split at the commas outside of brackets."""
    depth, marked = 0, ''
    for character in text:
        depth += (character in '([') - (character in ')]')
        marked += '\n' if character == ',' and depth == 0 else character
    return [part.strip() for part in marked.split('\n')]
