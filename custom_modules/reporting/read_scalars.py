import json
from pathlib import Path

import pandas as pd


def scalar_files(work_dir: Path) -> list[Path]:
    """List the files with scalars that a run's starts wrote, in their order; starts without any have none."""
    # named after their start
    return [p for p in sorted(work_dir.glob('*/vis_data/scalars.json')) if p.stat().st_size]


def read_scalars(work_dir: Path) -> tuple[pd.DataFrame, pd.DataFrame]:
    """Read the scalars that mmengine logged, across resumes.

    Each start writes a folder of its own. One that begins with epoch 1 is a new run, and what lies there from
    before is left out; any other goes on, and its epochs replace those of the same number.

    Args:
        work_dir (Path): The run's folder.

    Returns:
        tuple[pd.DataFrame, pd.DataFrame]: The training's scalars by epoch (means of the epoch's lines, the learning rates
        as they were last), and those of the validations by epoch. Empty where there are none.
    """
    train, val = pd.DataFrame(), pd.DataFrame()
    for path in scalar_files(work_dir):
        rows = _rows(path)
        epochs = _epochs([row for row in rows if 'epoch' in row])
        scores = _scores([row for row in rows if 'epoch' not in row])
        if epochs.empty and scores.empty:
            continue
        if 1 in epochs.index or train.empty:
            train, val = epochs, scores
        else:
            train, val = _continued(train, epochs), _continued(val, scores)
    return train, val


def _epochs(lines: list[dict]) -> pd.DataFrame:
    if not lines:
        return pd.DataFrame()
    by_epoch = pd.DataFrame(lines).groupby('epoch')
    epochs = by_epoch.mean()
    rates = [c for c in epochs if c == 'lr' or c.startswith('lr/') or c == 'frozen_stages']
    epochs[rates] = by_epoch[rates].last()
    return epochs


def _scores(lines: list[dict]) -> pd.DataFrame:
    return pd.DataFrame(lines).groupby('step').last() if lines else pd.DataFrame()


def _continued(before: pd.DataFrame, after: pd.DataFrame) -> pd.DataFrame:
    return pd.concat([before[~before.index.isin(after.index)], after]).sort_index()


def _rows(path: Path) -> list[dict]:
    rows = []
    for line in path.read_text(encoding='utf-8').splitlines():
        try:
            rows.append(json.loads(line))
        except json.JSONDecodeError:
            # a run that was cut off in the middle of a line
            continue
    return rows
