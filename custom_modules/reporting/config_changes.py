import ast
import re
from pathlib import Path

REPOSITORY = Path(__file__).resolve().parents[2]
# where a run lies and which of several it is, not what it does
APART = ('work_dir', 'launcher', 'load_from', 'resume', 'randomness.seed')
# how fast, not what
SPEED = ('num_workers', 'persistent_workers')


def config_source(name: str) -> Path | None:
    """Find an experiment's file in ``configs/``; its name is the experiment's.

    Args:
        name (str): The file's name without its suffix.

    Returns:
        Path | None: The file, None where there is not exactly one.
    """
    found = [p for p in (REPOSITORY / 'configs').rglob(f'{name}.py') if '_base_' not in p.parts]
    return found[0] if len(found) == 1 else None


def flat_config(cfg) -> dict[str, str]:
    """Flatten what a config says into texts that can be compared: dotted keys, files by their names only.

    Args:
        cfg (mmengine.Config): The config.

    Returns:
        dict[str, str]: A text for each key; lists are one value.
    """
    from custom_modules.engine.command_line import config_sections

    flat = {}

    def walk(prefix: str, value) -> None:
        if isinstance(value, dict) and value:
            for key, part in value.items():
                walk(f'{prefix}.{key}' if prefix else str(key), part)
        elif prefix not in APART and not prefix.endswith(SPEED):
            flat[prefix] = _text(value)

    walk('', {key: value for key, value in cfg.to_dict().items() if key in config_sections()})
    return flat


def config_changes(cfg, source: Path | None) -> dict[str, str]:
    """Say what an experiment changes in its base: its own lines, and what its command line changed.

    Args:
        cfg (mmengine.Config): The config as it ran.
        source (Path, optional): The experiment's file; without one, nothing can be said.

    Returns:
        dict[str, str]: The new value of each key that differs; one that is the same in the training, validation
        and test loader is named once, as ``*_dataloader``.
    """
    if source is None:
        return {}
    base, own = _base_of(source), flat_config(cfg)
    changes = {key: text for key, text in own.items() if base.get(key) != text}
    changes |= {key: 'removed' for key in base if key not in own}
    for key in [key for key in changes if key.startswith('train_dataloader.')]:
        twins = [key.replace('train_', part, 1) for part in ('val_', 'test_')]
        if all(changes.get(twin) == changes[key] for twin in twins):
            changes[key.replace('train_', '*_', 1)] = changes[key]
            for name in (key, *twins):
                del changes[name]
    return changes


def _base_of(source: Path) -> dict[str, str]:
    from mmengine.config import Config

    merged = {}
    for statement in ast.parse(source.read_text(encoding='utf-8')).body:
        if isinstance(statement, ast.Assign) and statement.targets[0].id == '_base_':
            bases = ast.literal_eval(statement.value)
            for base in [bases] if isinstance(bases, str) else bases:
                merged |= flat_config(Config.fromfile(source.parent / base))
    return merged


def _text(value) -> str:
    if isinstance(value, list | tuple):
        return '[' + ', '.join(map(_text, value)) + ']'
    if isinstance(value, dict):
        kind = value.get('type', 'dict')
        # mmengine's dumps are sorted, files are not
        arguments = ', '.join(f'{k}={_text(v)}' for k, v in sorted(value.items()) if k != 'type')
        return f'{kind}({arguments})'
    if isinstance(value, str) and '/' in value:
        # where it lies differs from machine to machine
        return re.split(r'[/\\]', value.rstrip('/'))[-1]
    return str(value)
