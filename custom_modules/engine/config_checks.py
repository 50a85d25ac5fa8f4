"""Checks of a config before anything is built."""

import os
from collections.abc import Mapping, Sequence
from multiprocessing import get_all_start_methods
from numbers import Real
from pathlib import Path

import torch
from mmengine.registry import DATASETS, MODELS, OPTIMIZERS

from custom_modules.datasets.masks import read_class_weights
from custom_modules.datasets.splits import FOLDS
from custom_modules.engine.config import PARTS, each_config, find_class, is_cut_by_hash, loaded_data_sets, type_name, value_at
from custom_modules.utils.errors import UsageError, first_five

# mmseg's losses that fail with one output channel, how, and this project's replacement
INSTEAD = {
    'DiceLoss': ('is inverted', 'BinaryDiceLoss'),
    'TverskyLoss': ('is constantly 0', 'BinaryTverskyLoss'),
    'FocalLoss': ('raises', 'BinaryFocalLoss'),
}
# integers of a config, and the minimum of each
MINIMUMS = {
    **{f'{part}_dataloader.batch_size': 1 for part in PARTS},
    **{f'{part}_dataloader.num_workers': 0 for part in PARTS},
    **dict.fromkeys(('train_cfg.max_epochs', 'train_cfg.max_iters', 'train_cfg.val_interval'), 1),
    **dict.fromkeys(('optim_wrapper.accumulative_counts', 'default_hooks.logger.interval'), 1),
    # -1 means never, or keep all
    **dict.fromkeys(('default_hooks.checkpoint.interval', 'default_hooks.checkpoint.max_keep_ckpts'), -1),
    **dict.fromkeys(('randomness.seed', 'train_cfg.val_begin'), 0),
}
# numeric arguments of mmengine's schedulers
SCHEDULER_NUMBERS = (
    'begin', 'end', 'last_step', 'T_max', 'eta_min', 'eta_min_ratio', 'factor', 'start_factor', 'end_factor', 'gamma',
    'step_size', 'power', 'total_steps', 'eta_max', 'pct_start', 'div_factor', 'final_div_factor', 'patience', 'cooldown',
    'threshold', 'min_value', 'eps',
)  # fmt: skip


def check_config(cfg) -> None:
    """Check all of a loaded config that can be checked without data, or raise a UsageError."""
    require_whole_loops(cfg)
    require_sound_numbers(cfg)
    require_sound_optimizer(cfg)
    require_sound_schedulers(cfg)
    require_one_split(cfg)
    require_matching_classes(cfg)
    require_one_augmentation(cfg)
    require_unpadded(cfg)


def require_whole_loops(cfg) -> None:
    """Refuse a validation or test that lacks a part or leaves images out."""
    for part, name in (('val', 'validation'), ('test', 'test')):
        if value_at(cfg, f'{part}_dataloader', 'drop_last'):
            raise UsageError(f'{part}_dataloader.drop_last would leave images out of the scores: set it to False.')
        keys = [f'{part}_{key}' for key in ('dataloader', 'cfg', 'evaluator')]
        missing = [key for key in keys if cfg.get(key) is None]
        present = [key for key in keys if key not in missing]
        if missing and present:
            best = ' default_hooks.checkpoint.save_best=None' if part == 'val' else ''
            raise UsageError(
                f'there is no {" and no ".join(missing)}, but {" and ".join(present)}: without {name}, write --cfg-options '
                f'{" ".join(f"{key}=None" for key in keys)}{best}, or the same in the config.'
            )


def require_sound_numbers(cfg) -> None:
    """Refuse numbers of ``MINIMUMS`` that are not whole or too small, and a way to start processes that the system lacks."""
    for key, minimum in MINIMUMS.items():
        path = key.split('.')
        for i in range(1, len(path)):
            owner = value_at(cfg, *path[:i])
            if owner is not None and not isinstance(owner, Mapping):
                raise UsageError(f'{".".join(path[:i])} is a dict of settings, got {owner!r}: mend it in the config.')
        value = value_at(cfg, *path)
        if value is not None and (not isinstance(value, int) or value < minimum):
            raise UsageError(f'{key} is a whole number of at least {minimum}, got {value!r}: mend it.')
    start, known = value_at(cfg, 'env_cfg', 'mp_cfg', 'mp_start_method'), get_all_start_methods()
    if start is not None and start not in known and os.name == 'posix':
        raise UsageError(f'env_cfg.mp_cfg.mp_start_method is one of {", ".join(known)}, got {start!r}: mend it.')


def require_sound_optimizer(cfg) -> None:
    """Refuse settings that the optimizer does not accept: torch would raise only after all data has been read."""
    norm = value_at(cfg, 'optim_wrapper', 'clip_grad', 'max_norm')
    if norm is not None and not (isinstance(norm, Real) and norm > 0):
        raise UsageError(f'optim_wrapper.clip_grad.max_norm is a number above 0, got {norm!r}: mend it.')
    optimizer = value_at(cfg, 'optim_wrapper', 'optimizer')
    if not isinstance(optimizer, Mapping):
        return
    if find_class(OPTIMIZERS, cfg.get('default_scope'), optimizer) is None:
        raise UsageError(
            f'there is no optimizer named {type_name(optimizer)!r}: mend optim_wrapper.optimizer.type, or name the module that '
            'registers it in custom_imports.'
        )
    try:
        OPTIMIZERS.build(dict(optimizer, params=[torch.zeros(1, requires_grad=True)]))
    except (TypeError, ValueError) as error:
        # mmengine puts the path of the class before the message
        reason = str(error).split('.py: ')[-1].strip().rstrip('.')
        raise UsageError(
            f'optim_wrapper.optimizer, {type_name(optimizer)}, cannot be made ({reason}): mend its settings.'
        ) from error
    except RuntimeError:
        # such as fused=True without a GPU: the device is not known yet
        pass


def require_sound_schedulers(cfg) -> None:
    """Refuse schedulers by epoch in a training by iterations, and strings where mmengine needs numbers, which would fail in the first step."""
    for key, scheduler in each_config('param_scheduler', cfg.get('param_scheduler')):
        kind = type_name(scheduler)
        if value_at(cfg, 'train_cfg', 'max_iters') and scheduler.get('by_epoch', True) and not kind.startswith('ReduceOnPlateau'):
            raise UsageError(
                f'{key}, {kind}, counts epochs, of which a training by iterations has one: set its by_epoch=False, and its end or T_max '
                'in iterations, or train by epochs.'
            )
        for name in SCHEDULER_NUMBERS:
            if isinstance(scheduler.get(name), str):
                raise UsageError(f'{key}.{name} is a number, got {scheduler[name]!r}: mend it.')


def require_one_split(cfg) -> None:
    """Refuse data sets of one folder that are split differently: a test image could be a training image."""
    splits = {}
    for _, dataset in loaded_data_sets(cfg):
        if is_cut_by_hash(dataset) and dataset.get('split') != 'all':
            folders = os.path.normpath(dataset.get('data_root') or ''), str(dataset.get('data_prefix'))
            splits.setdefault(folders, set()).add(_split_of(dataset))
    for (root, _), found in splits.items():
        if len(found) > 1:
            raise UsageError(
                f'the data sets on {root} are cut differently ({" and ".join(sorted(found))}): set the same '
                '(of lists, one of all images if there are folds) in the train, val and test data loader, or images are shared.'
            )


def _split_of(dataset: dict) -> str:
    """Describe how a data set cuts its folder: data sets with equal descriptions share no image between their parts."""
    val = f'val_fraction={_fraction(dataset, "val_fraction", 0.2)}'
    listed = [f'ann_file={dataset.ann_file}'] if dataset.get('ann_file') else []
    if dataset.get('fold') is not None:
        return ' '.join([f'fold={dataset.fold} folds={dataset.get("folds", FOLDS)}', val, *listed])
    # lists are trusted to be disjoint, but not from parts that are split by hash
    return 'ann_file' if listed else f'{val} test_fraction={_fraction(dataset, "test_fraction", 0.0)}'


def _fraction(dataset: dict, key: str, default: float) -> float:
    value = dataset.get(key, default)
    if not isinstance(value, Real):
        raise UsageError(f'{key} of {type_name(dataset)} is a share, a number from 0 to 1, got {value!r}: mend it.')
    return float(value)


def require_matching_classes(cfg) -> None:
    """Refuse heads that do not fit the classes of the data sets, and losses or class weights that do not fit their head.

    Classes are known where a data set lists them in the config or in its class.
    """
    named = [(key, names, dataset) for key, dataset in loaded_data_sets(cfg) if (names := _class_names(cfg, dataset)) is not None]
    for key, names, _ in named:
        # else one index would mean different classes in different parts
        if list(names) != list(named[0][1]):
            raise UsageError(
                f'{named[0][0]} has the classes {first_five(named[0][1])}, but {key} has {first_five(names)}: give all '
                'data sets the same classes in the same order.'
            )
    for name in ('decode_head', 'auxiliary_head', 'head'):
        for key, head in each_config(f'model.{name}', value_at(cfg, 'model', name)):
            classes, channels = head_size(cfg, head)
            if classes is None:
                continue
            # one channel of a segmentor is the probability of the second class of two
            expected = 2 if channels == 1 and name != 'head' else classes
            for data_key, names, dataset in named:
                if len(names) != expected:
                    also = ' and leave out_channels out' if head.get('out_channels') else ''
                    raise UsageError(
                        f'{key} is for {expected} classes, but {data_key} ({dataset.get("type")}) has {len(names)} '
                        f'({first_five(names)}): set {key}.num_classes={len(names)}{also}, or choose other classes there.'
                    )
            if name == 'head':
                _require_small_topk(cfg, classes)
            for loss_key, loss in each_config(f'{key}.loss_decode', head.get('loss_decode')):
                if fault := _fault_of_loss(loss, channels):
                    raise UsageError(f'{loss_key}: {fault}.')
                _require_class_weights(f'{loss_key}.class_weight', loss.get('class_weight'), channels)


def head_size(cfg, head: dict) -> tuple[int | None, int | None]:
    """Return how many classes and output channels a head will have; None where the config does not say."""
    # mmseg's own heads have no default classes, and one channel only by out_channels=1
    kind = find_class(MODELS, cfg.get('default_scope'), head)
    ours = any(base.__name__ == 'UNetHead' for base in getattr(kind, '__mro__', ()))
    classes = head.get('num_classes', 2 if ours else None)
    return classes, head.get('out_channels') or (1 if ours and classes == 2 else classes)


def _fault_of_loss(loss: dict, channels: int) -> str | None:
    """Say why a loss fails or has no or a wrong gradient with so many output channels, and what to write instead."""
    name, sigmoid = type_name(loss), loss.get('use_sigmoid', False)
    weighted = loss.get('class_weight') is not None
    binary = loss.get('loss_type') == 'binary' and loss.get('per_image')
    if channels == 1:
        if name in INSTEAD:
            what, better = INSTEAD[name]
            return f"mmseg's {name} {what} with one output channel: use {better}"
        if name == 'CrossEntropyLoss' and not sigmoid:
            return 'a softmax over one output channel is constantly 1, and its loss 0: set use_sigmoid=True'
        if name == 'LovaszLoss' and not binary:
            return "LovaszLoss for one output channel needs loss_type='binary' and per_image=True"
        return None
    if name in {better for _, better in INSTEAD.values()}:
        # mmseg's DiceLoss learns from ignored pixels, its FocalLoss needs a GPU
        instead = 'CrossEntropyLoss' if name == 'BinaryFocalLoss' else 'TverskyLoss'
        return f'{name} is for one output channel, and the head has {channels}: use {instead}'
    if name == 'CrossEntropyLoss' and weighted and sigmoid:
        return 'mmseg cannot weight the classes of several sigmoids: set use_sigmoid=False or class_weight=None'
    if name == 'CrossEntropyLoss' and weighted and loss.get('avg_non_ignore'):
        return 'mmseg raises with class_weight and avg_non_ignore=True: set avg_non_ignore=False'
    return None


def _require_small_topk(cfg, classes: int) -> None:
    for name in ('val_evaluator', 'test_evaluator'):
        for key, metric in each_config(name, cfg.get(name)):
            topk = metric.get('topk') or 1
            most = topk if isinstance(topk, int) else max(topk)
            if metric.get('type') in ('Accuracy', 'BatchAccuracy') and most > classes:
                raise UsageError(
                    f'{key}.topk asks for the top {most} of {classes} classes: leave it out there, and in model.head.'
                )


def _require_class_weights(key: str, weights: Sequence[float] | str | None, channels: int) -> None:
    if isinstance(weights, str):
        # mmseg reads a string as the name of a file
        if not Path(weights).is_file():
            raise UsageError(f'{key} names the file {weights}, which is not there: write the weights as numbers.')
        weights = read_class_weights(weights)
    is_list = hasattr(weights, '__len__')
    if weights is None or (is_list and len(weights) == channels):
        return
    found = f'holds {len(weights)} weights' if is_list else f'is {weights!r}'
    wanted = 'one weight, that of class 1' if channels == 1 else f'a list of {channels} weights, one for each class'
    raise UsageError(
        f'{key} {found}, but the head has {channels} output channel{"s" * (channels > 1)}: give it {wanted} '
        '(`python tools/class_weights.py CONFIG` prints them).'
    )


def _class_names(cfg, dataset: dict) -> Sequence[str] | None:
    default = getattr(find_class(DATASETS, cfg.get('default_scope'), dataset), 'METAINFO', {}).get('classes')
    candidates = dataset.get('classes'), value_at(dataset, 'metainfo', 'classes'), dataset.get('wnids'), default
    # a string is the name of a file
    return next((names for names in candidates if isinstance(names, list | tuple)), None)


def require_one_augmentation(cfg) -> None:
    """Refuse a training whose images would be augmented twice in the same way: in the pipeline and again as a batch."""
    augments = value_at(cfg, 'model', 'data_preprocessor', 'augments')
    of_batch = {name.removeprefix('Batch') for name in _step_types(augments)}
    # the affine map rotates as well
    of_batch |= {'RandomRotate'} if 'RandomAffine' in of_batch else set()
    pipelines = [dataset.get('pipeline') for _, dataset in loaded_data_sets(cfg, ['train'])]
    twice = [name for pipeline in pipelines for name in _step_types(pipeline) if name in of_batch]
    if twice:
        raise UsageError(
            f'{", ".join(dict.fromkeys(twice))} of the training pipeline would be done again by the data preprocessor, on the whole batch: '
            'set train_dataloader.dataset.pipeline=_base_.plain_pipeline in the config, or leave '
            'model.data_preprocessor=_base_.batch_augments... out.'
        )


def require_unpadded(cfg) -> None:
    """Refuse ``grey_standardize`` where training images get padded: an image's mean would include its padding."""
    if not value_at(cfg, 'model', 'backbone', 'grey_standardize'):
        return
    divisor = value_at(cfg, 'model', 'data_preprocessor', 'size_divisor') or 1
    for key, dataset in loaded_data_sets(cfg, ['train']):
        size = dataset.get('load_size')
        for step in dataset.get('pipeline') or ():
            if step.get('type') in ('RandomZoom', 'RandomCrop'):
                size = step.get('size', step.get('crop_size'))
        size = (size, size) if isinstance(size, int) else size
        if size is None or any(side % divisor for side in size):
            sizes = 'their own sizes' if size is None else f'{size[0]}x{size[1]}'
            raise UsageError(
                f'{key} gives images of {sizes}, which are padded to '
                f'multiples of {divisor}, and grey_standardize would count the padding: set {key}.load_size, or its crops, to multiples of {divisor}.'
            )


def _step_types(steps: list | None) -> list[str]:
    names = []
    for step in steps or ():
        if isinstance(step, list | tuple):
            names += _step_types(step)
        else:
            names += [step.get('type', ''), *_step_types(step.get('augments')), *_step_types(step.get('transforms'))]
    return names
