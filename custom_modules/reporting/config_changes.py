"""How configs differ."""

import ast
import os
import re
from pathlib import Path

from mmengine.config import Config

from custom_modules.engine.config import config_sections
from custom_modules.utils.files import REPOSITORY

# where a run lies, which of several it is and what it tells of itself, not what it does
APART = (
    'work_dir', 'launcher', 'resume', 'randomness.seed', 'visualizer', 'log_level', 'log_processor',
    *(f'default_hooks.{hook}' for hook in (
        'logger', 'fixed_samples', 'group_rates', 'run_check', 'visualization', 'timer',
    )),
)  # fmt: skip
# how fast, not what
SPEED = ('num_workers', 'persistent_workers', 'pin_memory', 'prefetch_factor', 'cache')
SPEED_OF_SCORING = ('val_dataloader.batch_size', 'test_dataloader.batch_size')


def flat_config(cfg) -> dict[str, str]:
    """Flatten what a config says about a training and its scores into texts that can be compared, by their dotted keys.

    Left out are seed and work dir, logging, and what changes the speed only. Paths are absolute; lists are one value.
    """
    flat = {}

    def walk(prefix: str, value) -> None:
        if prefix in APART or prefix in SPEED_OF_SCORING or prefix.split('.')[-1] in SPEED:
            return
        if isinstance(value, dict) and value:
            for key, part in value.items():
                walk(f'{prefix}.{key}' if prefix else str(key), part)
        elif prefix:
            flat[prefix] = _text(value)

    sections = config_sections()
    walk('', {key: value for key, value in cfg.to_dict().items() if key in sections})
    if cfg.get('resume') or not cfg.get('load_from'):
        # where it went on from is its own checkpoint; none is as good as no key
        flat.pop('load_from', None)
    return flat


def pooled_config(cfg) -> dict[str, str]:
    """Flatten a config as :func:`flat_config` does, the same for all folds of a cross-validation.

    Example:
        >>> from mmengine.config import Config
        >>> sets = [dict(type='RepeatDataset', dataset=dict(type='MoonDataset', fold=3, folds=5))]
        >>> cfg = Config(dict(train_dataloader=dict(dataset=dict(datasets=sets))))
        >>> list(pooled_config(cfg).values())
        ['[RepeatDataset(dataset=MoonDataset(fold=each, folds=5))]']
    """
    # within a list of data sets too, which is one value
    texts = {key: re.sub(r'\bfold=\d+', 'fold=each', text) for key, text in flat_config(cfg).items()}
    return {key: 'each' if key.endswith('.fold') else text for key, text in texts.items()}


def config_difference(before, now) -> str:
    """Name the first difference between two configs, by :func:`flat_config`, and how many more there are; empty if there is none."""
    before, now = flat_config(before), flat_config(now)
    keys = [key for key in {**now, **before} if before.get(key) != now.get(key)]
    if not keys:
        return ''
    new, old = (flat.get(keys[0], 'not there') for flat in (now, before))
    more = f' and {len(keys) - 1} more' if len(keys) > 1 else ''
    # of two long values the part in which they differ
    start = max(0, len(os.path.commonprefix([new, old])) - 30)
    new, old = (
        '...' * (start > 0) + text[start : start + 60] + '...' * (len(text) > start + 60) for text in (new, old)
    )
    return f'{keys[0]} is {new} and was {old}{more}'


def _text(value) -> str:
    if isinstance(value, list | tuple):
        return '[' + ', '.join(map(_text, value)) + ']'
    if isinstance(value, dict):
        kind = value.get('type', 'dict')
        # mmengine's dumps are sorted, files are not
        arguments = ', '.join(f'{k}={_text(v)}' for k, v in sorted(value.items()) if k != 'type')
        return f'{kind}({arguments})'
    if isinstance(value, str) and '/' in value and Path(value).exists():
        return str(Path(value).resolve())
    return str(value)


def config_source(name: str) -> Path | None:
    """Find an experiment's file in ``configs/`` by its name; None where there is not exactly one."""
    found = [p for p in (REPOSITORY / 'configs').rglob(f'{name}.py') if '_base_' not in p.parts]
    return found[0] if len(found) == 1 else None


def config_changes(cfg, source: Path | None) -> dict[str, str] | None:
    """Say what an experiment, as it ran, changes in its base: the lines of its file, and what its command line changed.

    Returns the new value of each key that differs; one that is the same in the training, validation and test loader is
    named once, as ``*_dataloader``. None without a file, or if its bases cannot be read.
    """
    base = source and _base_of(source)
    if base is None:
        return None
    # files and folders without where they lie, which differs from machine to machine
    base, own = (
        {key: re.sub(r'[^\s,()\[\]=]*[/\\]', '', text) for key, text in flat.items()}
        for flat in (flat_config(base), pooled_config(cfg))
    )
    changes = {key: text for key, text in own.items() if base.get(key) != text}
    changes |= {key: 'removed' for key in base if key not in own}
    for key in [key for key in changes if key.startswith('train_dataloader.')]:
        twins = [key.replace('train_', part, 1) for part in ('val_', 'test_')]
        if all(changes.get(twin) == changes[key] for twin in twins):
            changes[key.replace('train_', '*_', 1)] = changes[key]
            for name in (key, *twins):
                del changes[name]
    return changes


def _base_of(source: Path):
    """Merge the bases of a config file, as mmengine does: they share no top-level key."""
    merged = Config()
    for statement in ast.parse(source.read_text(encoding='utf-8')).body:
        names = [t.id for t in getattr(statement, 'targets', ()) if isinstance(t, ast.Name)]
        if names != ['_base_']:
            continue
        try:
            bases = ast.literal_eval(statement.value)
        except ValueError:
            return None
        for base in [bases] if isinstance(bases, str) else bases:
            merged.merge_from_dict(Config.fromfile(source.parent / base).to_dict())
    return merged
