"""Differences between configs."""

import ast
import os
import re
from collections.abc import Sequence
from pathlib import Path

from mmengine.config import Config

from custom_modules.engine.config import config_sections
from custom_modules.utils.files import REPOSITORY

# place, seed and logging of a run, which do not change the training
IGNORED = (
    'work_dir', 'launcher', 'resume', 'randomness.seed', 'visualizer', 'log_level', 'log_processor',
    'default_hooks.logger', 'default_hooks.fixed_samples', 'default_hooks.group_rates', 'default_hooks.run_check',
    'default_hooks.visualization', 'default_hooks.timer',
)  # fmt: skip
# what changes the speed only
SPEED = ('num_workers', 'persistent_workers', 'pin_memory', 'prefetch_factor', 'cache')
SPEED_OF_SCORING = ('val_dataloader.batch_size', 'test_dataloader.batch_size')


def flat_config(cfg) -> dict[str, str]:
    """Flatten what a config says about a training and its scores: each value as comparable text, by its dotted key.

    Seed, work dir, logging and what changes the speed only are left out. Paths are absolute; a list is one value.
    """
    flat = {}

    def walk(prefix: str, value) -> None:
        if prefix in IGNORED or prefix in SPEED_OF_SCORING or prefix.split('.')[-1] in SPEED:
            return
        if isinstance(value, dict) and value:
            for key, part in value.items():
                walk(f'{prefix}.{key}' if prefix else str(key), part)
        elif prefix:
            flat[prefix] = _text(value)

    sections = config_sections()
    walk('', {key: value for key, value in cfg.to_dict().items() if key in sections})
    if cfg.get('resume') or not cfg.get('load_from'):
        # the run's own checkpoint, or None
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
    # a list of data sets is one value, with its folds inside
    texts = {key: re.sub(r'\bfold=\d+', 'fold=each', text) for key, text in flat_config(cfg).items()}
    return {key: 'each' if key.endswith('.fold') else text for key, text in texts.items()}


def config_difference(before, now) -> str:
    """Describe the first difference between two configs in :func:`flat_config`, and count the others; empty if there is none."""
    before, now = flat_config(before), flat_config(now)
    keys = [key for key in {**now, **before} if before.get(key) != now.get(key)]
    if not keys:
        return ''
    new, old = (flat.get(keys[0], 'not there') for flat in (now, before))
    more = f' and {len(keys) - 1} more' if len(keys) > 1 else ''
    # of long values the part in which they differ
    start = max(0, len(os.path.commonprefix([new, old])) - 30)
    dots = '...' if start else ''
    new, old = (dots + text[start : start + 60] + ('...' if text[start + 60 :] else '') for text in (new, old))
    return f'{keys[0]} is {new} and was {old}{more}'


def _text(value) -> str:
    if isinstance(value, list | tuple):
        return '[' + ', '.join(map(_text, value)) + ']'
    if isinstance(value, dict):
        kind = value.get('type', 'dict')
        # sorted, as mmengine dumps a config
        arguments = ', '.join(f'{k}={_text(v)}' for k, v in sorted(value.items()) if k != 'type')
        return f'{kind}({arguments})'
    if isinstance(value, str) and '/' in value and Path(value).exists():
        return str(Path(value).resolve())
    return str(value)


def distinct_tails(paths: Sequence[Sequence[str]], separator: str) -> list[str]:
    """Join the last parts of each path, as many as tell the paths apart."""
    for depth in range(1, 20):
        tails = [separator.join(path[-depth:]) for path in paths]
        if len(set(tails)) == len(tails):
            break
    return tails


def config_source(name: str) -> Path | None:
    """Find an experiment's file in ``configs/`` by its name; None where there is not exactly one."""
    found = [p for p in (REPOSITORY / 'configs').rglob(f'{name}.py') if '_base_' not in p.parts]
    return found[0] if len(found) == 1 else None


def config_changes(cfg, source: Path | None) -> dict[str, str] | None:
    """List what an experiment, as it ran, changes in the bases of its config file: in the file or on the command line.

    Returns the new value of each key that differs; a key that is the same in the training, validation and test loader is
    named once, as ``*_dataloader``. None without a file, or if its bases cannot be read.
    """
    base = source and _merged_bases(source)
    if base is None:
        return None
    # paths without their folders, which differ between machines
    folders = re.compile(r'[^\s,()\[\]=]*[/\\]')
    base = {key: folders.sub('', text) for key, text in flat_config(base).items()}
    own = {key: folders.sub('', text) for key, text in pooled_config(cfg).items()}
    changes = {key: text for key, text in own.items() if base.get(key) != text}
    changes |= {key: 'removed' for key in base if key not in own}
    for key in [key for key in changes if key.startswith('train_dataloader.')]:
        twins = [key.replace('train_', part, 1) for part in ('val_', 'test_')]
        if all(changes.get(twin) == changes[key] for twin in twins):
            changes[key.replace('train_', '*_', 1)] = changes[key]
            for name in (key, *twins):
                del changes[name]
    return changes


def _merged_bases(source: Path) -> Config | None:
    merged = Config()
    for statement in ast.parse(source.read_text(encoding='utf-8')).body:
        if not isinstance(statement, ast.Assign) or ast.unparse(statement.targets[0]) != '_base_':
            continue
        try:
            bases = ast.literal_eval(statement.value)
        except ValueError:
            return None
        bases = [bases] if isinstance(bases, str) else bases
        for base in bases:
            merged.merge_from_dict(Config.fromfile(source.parent / base).to_dict())
    return merged
