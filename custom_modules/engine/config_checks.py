"""What is checked before anything is built, and what before the first step."""

import functools
import os
from collections.abc import Mapping, Sequence
from pathlib import Path

from mmengine.registry import DATASETS, MODELS, Registry
from torch.utils.data import Dataset

from custom_modules.datasets.pairs import first_five
from custom_modules.engine.config import data_set_configs, each_config, type_name
from custom_modules.utils.errors import UsageError

INSTEAD = {
    'DiceLoss': ('is inverted', 'BinaryDiceLoss'),
    'TverskyLoss': ('is constantly 0', 'BinaryTverskyLoss'),
    'FocalLoss': ('raises', 'BinaryFocalLoss'),
}


def require_sound_loss(key: str, loss: dict, channels: int) -> None:
    """Refuse a loss that fails, or teaches nothing or the opposite, with a head of so many channels.

    Args:
        key (str): Where the loss stands in the config, for the sentence.
        loss (dict): The loss's own config.
        channels (int): The head's output channels.

    Raises:
        UsageError: With what to write instead.
    """
    name = type_name(loss)
    sigmoid = loss.get('use_sigmoid', False)
    weighted = loss.get('class_weight') is not None
    fault = None
    if channels == 1 and name in INSTEAD:
        what, better = INSTEAD[name]
        fault = f"mmseg's {name} {what} with one output channel: use {better}"
    elif channels == 1 and name == 'CrossEntropyLoss' and not sigmoid:
        fault = 'a softmax over one output channel is constantly 1, and its loss 0: set use_sigmoid=True'
    elif (
        channels == 1
        and name == 'LovaszLoss'
        and not (loss.get('loss_type') == 'binary' and loss.get('per_image'))
    ):
        fault = "LovaszLoss for one output channel needs loss_type='binary' and per_image=True"
    elif channels > 1 and name in {better for _, better in INSTEAD.values()}:
        fault = (
            f"{name} is for one output channel, and the head has {channels}: use mmseg's "
            f'{name.removeprefix("Binary")}'
        )
    elif channels > 1 and name == 'CrossEntropyLoss' and weighted and sigmoid:
        fault = 'mmseg cannot weight the classes of several sigmoids: set use_sigmoid=False or class_weight=None'
    elif channels > 1 and name == 'CrossEntropyLoss' and weighted and loss.get('avg_non_ignore'):
        fault = 'mmseg raises with class_weight and avg_non_ignore=True: set avg_non_ignore=False'
    if fault:
        raise UsageError(f'{key}: {fault}.')


def require_matching_classes(cfg) -> None:
    """Refuse a config whose heads do not fit the classes of its data sets, before anything is built.

    Compared are the classes of every decode, auxiliary and classification head with those of every data set that
    names them in the config or in its class, and every loss and its ``class_weight`` with the head's channels.

    Args:
        cfg (mmengine.Config): The config.

    Raises:
        UsageError: If they differ; the sentence names the key and what to set.
    """
    _require_same_classes(cfg)
    model = cfg.get('model') or {}
    for name in ('decode_head', 'auxiliary_head', 'head'):
        for key, head in each_config(f'model.{name}', model.get(name)):
            classes, channels = head_size(cfg, head)
            if classes is None:
                continue
            # one channel of a segmentor is the probability of the second class of two
            _require_classes(cfg, key, head, 2 if channels == 1 and name != 'head' else classes)
            if name == 'head':
                _require_countable(cfg, classes)
            for loss_key, loss in each_config(f'{key}.loss_decode', head.get('loss_decode')):
                require_sound_loss(loss_key, loss, channels)
                _require_weights(f'{loss_key}.class_weight', loss.get('class_weight'), channels)


def head_size(cfg, head: dict) -> tuple[int | None, int | None]:
    """Find out how many classes and output channels a head will have, without building it.

    Args:
        cfg (mmengine.Config): The config that the head is part of.
        head (dict): The head's own config.

    Returns:
        tuple[int | None, int | None]: Classes and channels; None where the config does not say.
    """
    bases = getattr(_registered(MODELS, cfg, head), '__mro__', ())
    # mmseg's own heads have no default, and one channel only if they are told so
    ours = any(base.__name__ == 'UNetHead' for base in bases)
    classes = head.get('num_classes', 2 if ours else None)
    return classes, head.get('out_channels') or (1 if ours and classes == 2 else classes)


def _require_same_classes(cfg) -> None:
    """Refuse parts with other classes, or another order: what one calls 1 would be something else in the next."""
    first = None
    for name in ('train_dataloader', 'val_dataloader', 'test_dataloader'):
        loader = cfg.get(name) or {}
        for key, dataset in data_set_configs(f'{name}.dataset', loader.get('dataset')):
            names = _class_names(cfg, dataset)
            if names is None:
                continue
            first = first or (key, list(names))
            if list(names) != first[1]:
                raise UsageError(
                    f'{first[0]} has the classes {first_five(first[1])}, but {key} has {first_five(names)}: give all '
                    'data sets the same classes in the same order.'
                )


def _require_countable(cfg, classes: int) -> None:
    for name in ('val_evaluator', 'test_evaluator'):
        for key, metric in each_config(name, cfg.get(name)):
            most = max(metric['topk']) if metric.get('topk') else 1
            if metric.get('type') == 'Accuracy' and most > classes:
                raise UsageError(
                    f'{key}.topk asks for the top {most} of {classes} classes: leave it out there, and in model.head.'
                )


def _require_classes(cfg, key: str, head: dict, expected: int) -> None:
    for name in ('train_dataloader', 'val_dataloader', 'test_dataloader'):
        loader = cfg.get(name) or {}
        for data_key, dataset in data_set_configs(f'{name}.dataset', loader.get('dataset')):
            names = _class_names(cfg, dataset)
            if names is None or len(names) == expected:
                continue
            also = ' and leave out_channels out' if head.get('out_channels') else ''
            raise UsageError(
                f'{key} is for {expected} classes, but {data_key} ({dataset.get("type")}) has {len(names)} '
                f'({first_five(names)}): set {key}.num_classes={len(names)}{also}, or choose other classes there.'
            )


def _require_weights(key: str, weights: Sequence[float] | str | None, channels: int) -> None:
    if isinstance(weights, str):
        # mmseg takes a text for the name of a file
        if not Path(weights).is_file():
            raise UsageError(
                f'{key} names the file {weights}, which does not exist: write the weights as a list of numbers.'
            )
        from mmseg.models.losses.utils import get_class_weight

        weights = get_class_weight(weights)
    if weights is None or (hasattr(weights, '__len__') and len(weights) == channels):
        return
    found = f'holds {len(weights)} weights' if hasattr(weights, '__len__') else f'is {weights!r}'
    wanted = (
        'one weight, that of class 1'
        if channels == 1
        else f'a list of {channels} weights, one for each class'
    )
    raise UsageError(
        f'{key} {found}, but the head has {channels} output channel{"s" * (channels > 1)}: give it {wanted} '
        '(`python tools/class_weights.py CONFIG` prints them).'
    )


def _class_names(cfg, dataset: dict) -> Sequence[str] | None:
    metainfo = dataset.get('metainfo') or {}
    own = getattr(_registered(DATASETS, cfg, dataset), 'METAINFO', {})
    for names in (
        dataset.get('classes'),
        metainfo.get('classes'),
        dataset.get('wnids'),
        own.get('classes'),
    ):
        # a text is the name of a file
        if isinstance(names, list | tuple):
            return names
    return None


def _registered(registry: Registry, cfg, part: dict) -> type | None:
    with registry.switch_scope_and_registry(cfg.get('default_scope')) as scoped:
        name = part.get('type')
        return scoped.get(name) if isinstance(name, str) else name


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


def require_data_folders(cfg) -> None:
    """Build the data sets of masks without listing their files, which finds a missing folder and what is mistyped at once.

    Args:
        cfg (mmengine.Config): The config; one of a classifier has none.

    Raises:
        UsageError: As the data sets do.
    """
    if cfg.get('default_scope') != 'mmseg':
        return
    from mmengine.registry import init_default_scope

    from custom_modules.datasets.indexed_mask_dataset import IndexedMaskDataset

    init_default_scope(cfg.default_scope)
    for part in ('train', 'val', 'test'):
        loader = cfg.get(f'{part}_dataloader') or {}
        for _, dataset in data_set_configs(part, loader.get('dataset')):
            with DATASETS.switch_scope_and_registry(cfg.default_scope) as registry:
                kind = dataset.get('type')
                kind = registry.get(kind) if isinstance(kind, str) else kind
            if isinstance(kind, type) and issubclass(kind, IndexedMaskDataset):
                DATASETS.build(dict(dataset, pipeline=[], lazy_init=True))


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
