"""Which images are held out, as settings of a config: folds, or none on purpose."""

import copy

from custom_modules.engine.config import data_set_configs, type_name
from custom_modules.utils.errors import UsageError


def hold_out(cfg, fold: int, folds: int) -> tuple[tuple[str, ...], object]:
    """Hold out one of several equal parts of the images that a config tests on, wherever it trains on them.

    Of a training set that names ``fold`` itself, as ``fold=None``, a part is held out too: what is trained can then be tested on
    each of several sets.

    Args:
        cfg (mmengine.Config): The config of a segmentor.
        fold (int): Which part, from 0 on.
        folds (int): How many there are.

    Returns:
        tuple[tuple[str], mmengine.Config]: ``fold`` and ``folds`` of each data set with the test set's ``data_root``, and
        ``split=test`` of the test set (which in many configs is the validation part), as ``KEY=VALUE``; and the config with
        them.

    Raises:
        UsageError: If it does not train on images of the folder that it tests on.
    """
    found = {
        part: list(data_set_configs(f'{part}_dataloader.dataset', loader.get('dataset')))
        for part in ('train', 'val', 'test')
        for loader in [cfg.get(f'{part}_dataloader') or {}]
    }
    tested = {data_set.get('data_root') for _, data_set in found['test']}
    keys = [
        key
        for sets in found.values()
        for key, own in sets
        if own.get('data_root') in tested or 'fold' in own
    ]
    if cfg.get('default_scope') != 'mmseg' or not any(key.startswith('train') for key in keys):
        raise UsageError(
            '--folds cuts the masks that a segmentor is trained and tested on, in train_dataloader and test_dataloader with '
            'one data_root, and there are none: leave it out.'
        )
    for key, own in found['train']:
        if key in keys and own.get('split') == 'all':
            raise UsageError(
                f"{key} has split='all', of which no fold is held out: set split='train', with val_fraction=0.0 to train on all "
                'that is not held out.'
            )
    values = {f'{key}.{name}': n for key in keys for name, n in (('fold', fold), ('folds', folds))}
    values |= {f'{key}.split': 'test' for key, _ in found['test']}
    held_out = copy.deepcopy(cfg)
    held_out.merge_from_dict(values)
    return tuple(f'{key}={value}' for key, value in values.items()), held_out


def hold_out_nothing(cfg) -> None:
    """Validate and test on what is trained on, on purpose: to see that a network can learn a few images by heart.

    Args:
        cfg (mmengine.Config): The config, changed in place. Its training set takes all its pairs, where a hash cuts them; those of
            validation and test become that set, with their own pipelines.

    Raises:
        UsageError: If the training set is several.
    """
    train = cfg.train_dataloader.dataset
    if 'dataset' in train or 'datasets' in train:
        raise UsageError(
            f'--overfit is for a single training set, and train_dataloader.dataset is a {train.get("type")}: choose one of its parts.'
        )
    folders = ' '.join((train.get('data_prefix') or {}).values())
    if type_name(train) in ('MoonDataset', 'IndexedMaskDataset') and '{split}' not in folders:
        train.split = 'all'
        for key in ('fold', 'folds'):
            train.pop(key, None)
    for part in ('val', 'test'):
        loader = cfg.get(f'{part}_dataloader')
        if loader:
            own = dict(pipeline=loader.dataset.get('pipeline'), test_mode=True)
            loader.dataset = copy.deepcopy(train) | own
