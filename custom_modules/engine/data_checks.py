"""What is checked of the data before the first step."""

import functools
import os
from collections.abc import Iterable, Mapping

from mmengine.registry import DATASETS
from torch.utils.data import Dataset

from custom_modules.datasets.cache import DecodeOnce
from custom_modules.engine.config import PARTS, loaded_data_sets
from custom_modules.engine.devices import inner_model
from custom_modules.models.batch_augmentations import AugmentsBatches
from custom_modules.utils.errors import UsageError


def require_data_folders(cfg, parts: Iterable[str] = PARTS) -> None:
    """Build this project's data sets without listing their files, which refuses a missing folder and what is mistyped."""
    for _, dataset in loaded_data_sets(cfg, parts):
        with DATASETS.switch_scope_and_registry(cfg.get('default_scope')) as registry:
            kind = dataset.get('type')
            kind = registry.get(kind) if isinstance(kind, str) else kind
            if isinstance(kind, type) and issubclass(kind, DecodeOnce):
                registry.build(dict(dataset, pipeline=[], lazy_init=True))


def require_a_batch(runner) -> None:
    """Refuse a training set that gives no batch, or whole batches that the config lacks what to take with."""
    loader = runner.train_dataloader
    if len(loader) == 0:
        raise UsageError(
            f'the {len(loader.dataset)} training images give no batch of {loader.batch_size} with '
            'drop_last=True: add images or lower train_dataloader.batch_size.'
        )
    if getattr(loader.dataset, 'cache', None) != 'batches':
        return
    model = inner_model(runner.model)
    # a classifier's is its own
    heads = [getattr(model, name, None) for name in ('decode_head', 'auxiliary_head')]
    collate = runner.cfg.train_dataloader.get('collate_fn') or {}
    fits = collate.get('type') == 'batch_collate' and isinstance(model.data_preprocessor, AugmentsBatches)
    if not fits or not all(getattr(head, 'takes_whole_batches', head is None) for head in heads):
        raise UsageError(
            "cache='batches' of the training set gives whole batches, which need train_dataloader.collate_fn=dict(type='batch_collate'), "
            'model.data_preprocessor=_base_.batch_augments.default, and a UNetHead or a LeanASPPHead as the only head: set them in the '
            "config, or set train_dataloader.dataset.cache='ram'."
        )


def require_sound_test_set(cfg) -> Dataset | None:
    """Build the test set, which checks it, where there is one that is not that of the validation: a training would leave its faults for later."""
    test, val = (cfg.get(f'{part}_dataloader') or {} for part in ('test', 'val'))
    if test.get('dataset') and test['dataset'] != val.get('dataset'):
        return DATASETS.build(test['dataset'])
    return None


def require_unseen(train: Dataset, others: Mapping[str, Dataset | None]) -> None:
    """Refuse a training on images that it is validated or tested on: the scores would be of what it has learnt by heart."""
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
    """List the image files of a data set, also of one that repeats or joins others; of a link the file that it leads to."""
    if hasattr(dataset, 'datasets') or hasattr(dataset, 'dataset'):
        parts = dataset.datasets if hasattr(dataset, 'datasets') else [dataset.dataset]
        return [file for part in parts for file in image_files(part)]
    folder = functools.cache(os.path.realpath)
    paths = (dataset.get_data_info(i).get('img_path', '') for i in range(len(dataset)))
    return [
        os.path.realpath(path)
        if os.path.islink(path)
        else os.path.join(folder(os.path.dirname(path)), os.path.basename(path))
        for path in paths
        if path
    ]


def files_of_batch(data_batch) -> list[str]:
    """List the image files of a training batch, as far as it names them; a batch that is one tensor has one sample for all."""
    samples = data_batch.get('data_samples') if isinstance(data_batch, dict) else None
    if isinstance(samples, list | tuple):
        files = [sample.get('img_path') for sample in samples]
    else:
        files = [] if samples is None else samples.get('img_path', [])
    return [str(file) for file in files if file]
