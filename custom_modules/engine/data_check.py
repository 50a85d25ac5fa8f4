import functools
import os
from collections.abc import Mapping

from mmengine.registry import DATASETS
from torch.utils.data import Dataset

from custom_modules.usage_error import UsageError

from .nested_configs import data_set_configs


def require_a_batch(runner) -> None:
    """Refuse a training set that gives no batch: there would be epochs without a step, or a traceback.

    Args:
        runner (Runner): The runner, before it trains.

    Raises:
        UsageError: With the sizes of set and batch.
    """
    loader = runner.train_dataloader
    if len(loader) == 0:
        raise UsageError(
            f'the {len(loader.dataset)} training images give no batch of {loader.batch_size} with '
            'drop_last=True: add images or lower train_dataloader.batch_size.'
        )


def require_sound_test_set(cfg) -> Dataset | None:
    """Build the test set once, which checks it: a training does not, and would leave its faults for later.

    Args:
        cfg (mmengine.Config): The config; its default scope is in force.

    Returns:
        Dataset | None: The test set; None if there is none, or it is that of the validation.

    Raises:
        UsageError: As the data set.
    """
    test, val = (cfg.get(f'{part}_dataloader') or {} for part in ('test', 'val'))
    if test.get('dataset') and test['dataset'] != val.get('dataset'):
        return DATASETS.build(test['dataset'])
    return None


def require_unseen(train: Dataset, others: Mapping[str, Dataset | None]) -> None:
    """Refuse a training on images that it is validated or tested on: the scores would be of what it has learnt by heart.

    Args:
        train (Dataset): The training set.
        others (Mapping[str, Dataset | None]): The others by name.

    Raises:
        UsageError: With how many images are shared, and one of them.
    """
    seen = set(_image_files(train))
    for name, dataset in others.items():
        files = [] if dataset is None else _image_files(dataset)
        shared = [file for file in files if file in seen]
        if shared:
            raise UsageError(
                f'{len(shared)} of the {len(files)} images of the {name} set are trained on, such as {shared[0]}: give '
                f'the train and {name} data loader different splits with the same fractions, different lists (ann_file) '
                'or different folders.'
            )


def require_one_augmentation(cfg) -> None:
    """Refuse a training whose images would be flipped, turned or brightened twice: one by one, and again as a batch.

    Args:
        cfg (mmengine.Config): The config.

    Raises:
        UsageError: With what is there twice.
    """
    preprocessor = (cfg.get('model') or {}).get('data_preprocessor') or {}
    of_batch = {name.removeprefix('Batch') for name in _types(preprocessor.get('augments'))}
    # the affine map turns as well
    of_batch |= {'RandomRotate'} if 'RandomAffine' in of_batch else set()
    loader = cfg.get('train_dataloader') or {}
    pipelines = [p.get('pipeline') for _, p in data_set_configs('train', loader.get('dataset'))]
    twice = [name for pipeline in pipelines for name in _types(pipeline) if name in of_batch]
    if twice:
        raise UsageError(
            f'{", ".join(dict.fromkeys(twice))} of the training pipeline would be done again by the data preprocessor, on the whole batch: '
            'set train_dataloader.dataset.pipeline=_base_.plain_pipeline in the config, or leave '
            'model.data_preprocessor=_base_.batch_augments... out.'
        )


def require_unpadded(cfg) -> None:
    """Refuse ``grey_standardize`` where training images get padded: each one's mean would be of its padding too.

    Args:
        cfg (mmengine.Config): The config.

    Raises:
        UsageError: With the size to set.
    """
    model = cfg.get('model') or {}
    if not (model.get('backbone') or {}).get('grey_standardize'):
        return
    step = (model.get('data_preprocessor') or {}).get('size_divisor') or 1
    loader = cfg.get('train_dataloader') or {}
    for key, dataset in data_set_configs('train_dataloader.dataset', loader.get('dataset')):
        cut_out = [s['size'] for s in dataset.get('pipeline') or () if s['type'] == 'RandomZoom']
        size = [*cut_out, dataset.get('load_size')][0]
        if size is None or any(side % step for side in size):
            raise UsageError(
                f'{key} gives images of {"their own sizes" if size is None else f"{size[0]}x{size[1]}"}, which are padded to '
                f'multiples of {step}, and grey_standardize would count the padding: set {key}.load_size to multiples of {step}.'
            )


def _image_files(dataset: Dataset) -> list[str]:
    """List the image files of a data set, also of one that repeats or joins others."""
    if hasattr(dataset, 'datasets') or hasattr(dataset, 'dataset'):
        parts = dataset.datasets if hasattr(dataset, 'datasets') else [dataset.dataset]
        return [file for part in parts for file in _image_files(part)]
    dataset.full_init()
    folder = functools.cache(os.path.realpath)
    paths = (dataset.get_data_info(i).get('img_path', '') for i in range(len(dataset)))
    return [os.path.join(folder(os.path.dirname(p)), os.path.basename(p)) for p in paths if p]


def _types(steps: list | None) -> list[str]:
    """Name the steps, those within a choice of steps too."""
    names = []
    for step in steps or ():
        if isinstance(step, list | tuple):
            names += _types(step)
        else:
            names += [step['type'], *_types(step.get('augments')), *_types(step.get('transforms'))]
    return names
