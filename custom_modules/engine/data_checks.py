"""Checks of the data before the first training step."""

import functools
import os
from collections.abc import Iterable, Mapping

from mmengine.registry import DATASETS
from torch.utils.data import Dataset

from custom_modules.datasets.cache import DecodeOnce
from custom_modules.engine.config import PARTS, find_class, loaded_data_sets, value_at
from custom_modules.engine.devices import inner_model
from custom_modules.models.batch_augmentations import AugmentsBatches
from custom_modules.utils.errors import UsageError


def require_data_folders(cfg, parts: Iterable[str] = PARTS) -> None:
    """Build this project's data sets without listing their files, which raises for missing folders and wrong arguments."""
    scope = cfg.get('default_scope')
    for _, dataset in loaded_data_sets(cfg, parts):
        kind = find_class(DATASETS, scope, dataset)
        if isinstance(kind, type) and issubclass(kind, DecodeOnce):
            with DATASETS.switch_scope_and_registry(scope) as registry:
                registry.build(dict(dataset, pipeline=[], lazy_init=True))


def require_a_batch(runner) -> None:
    """Refuse a training set that gives no batch, or whole batches to a collate function or preprocessor that cannot take them."""
    loader = runner.train_dataloader
    if len(loader) == 0:
        raise UsageError(
            f'the {len(loader.dataset)} training images give no batch of {loader.batch_size} with '
            'drop_last=True: add images or lower train_dataloader.batch_size, to 2 at least for DeepLabV3+.'
        )
    if getattr(loader.dataset, 'cache', None) != 'batches':
        return
    collate = runner.cfg.train_dataloader.get('collate_fn') or {}
    fits = collate.get('type') in ('batch_collate', 'seg_batch_collate')
    if not fits or not isinstance(inner_model(runner.model).data_preprocessor, AugmentsBatches):
        raise UsageError(
            "cache='batches' of the training set gives whole batches, which need train_dataloader.collate_fn=dict(type='batch_collate') "
            'and model.data_preprocessor=_base_.batch_augments.default (of a classifier a BatchAugClsPreProcessor): set them in the config, '
            "or set train_dataloader.dataset.cache='ram'."
        )


def require_sound_test_set(cfg) -> Dataset | None:
    """Build the test set, which checks it, unless it is the validation set: a training itself would not open it."""
    test, val = (value_at(cfg, f'{part}_dataloader', 'dataset') for part in ('test', 'val'))
    return DATASETS.build(test) if test and test != val else None


def require_unseen(train: Dataset, others: Mapping[str, Dataset | None]) -> None:
    """Refuse validation or test sets (``others``) that share images with the training set."""
    seen = set(image_files(train))
    for name, dataset in others.items():
        files = [] if dataset is None else image_files(dataset)
        shared = [file for file in files if file in seen]
        if shared:
            raise UsageError(
                f'{len(shared)} of the {len(files)} images of the {name} set are trained on, such as {shared[0]}: give '
                f'the train and {name} data loader different splits with the same fractions, different lists (ann_file) '
                'or different folders, or add --overfit to learn them by heart on purpose.'
            )


def image_files(dataset: Dataset) -> list[str]:
    """List the image files of a data set, also of one that repeats or joins others, with links resolved."""
    if hasattr(dataset, 'datasets') or hasattr(dataset, 'dataset'):
        parts = dataset.datasets if hasattr(dataset, 'datasets') else [dataset.dataset]
        return [file for part in parts for file in image_files(part)]
    # realpath makes a system call for each part of a path
    real_folder = functools.cache(os.path.realpath)
    files = []
    paths = [dataset.get_data_info(index).get('img_path') for index in range(len(dataset))]
    for path in filter(None, paths):
        folder, name = os.path.split(path)
        files.append(os.path.realpath(path) if os.path.islink(path) else os.path.join(real_folder(folder), name))
    return files


def files_of_batch(data_batch) -> list[str]:
    """List the image files of a training batch, as far as its samples (or the one sample of a whole batch) name them."""
    samples = value_at(data_batch, 'data_samples')
    if isinstance(samples, list | tuple):
        files = [sample.get('img_path') for sample in samples]
    else:
        files = [] if samples is None else samples.get('img_path', [])
    return [str(file) for file in files if file]
