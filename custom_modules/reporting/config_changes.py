import ast
import re
from pathlib import Path

from .flat_config import flat_config

REPOSITORY = Path(__file__).resolve().parents[2]


def config_source(name: str) -> Path | None:
    """Find an experiment's file in ``configs/``; its name is the experiment's.

    Args:
        name (str): The file's name without its suffix.

    Returns:
        Path | None: The file, None where there is not exactly one.
    """
    found = [p for p in (REPOSITORY / 'configs').rglob(f'{name}.py') if '_base_' not in p.parts]
    return found[0] if len(found) == 1 else None


def config_changes(cfg, source: Path | None) -> dict[str, str] | None:
    """Say what an experiment changes in its base: its own lines, and what its command line changed.

    Files and folders are named without where they lie, which differs from machine to machine.

    Args:
        cfg (mmengine.Config): The config as it ran.
        source (Path, optional): The experiment's file.

    Returns:
        dict[str, str] | None: The new value of each key that differs; one that is the same in the training, validation
        and test loader is named once, as ``*_dataloader``. None without a file, or if its bases cannot be read.
    """
    base = source and _base_of(source)
    if base is None:
        return None
    base, own = _short(flat_config(base)), _short(flat_config(cfg))
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
    from mmengine.config import Config

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


def _short(flat: dict[str, str]) -> dict[str, str]:
    return {key: re.sub(r'[^\s,()\[\]=]*[/\\]', '', text) for key, text in flat.items()}
