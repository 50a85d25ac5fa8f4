"""What is checked of a config before anything is built."""

import os
from collections.abc import Mapping, Sequence
from multiprocessing import get_all_start_methods
from numbers import Real
from pathlib import Path

import torch
from mmengine.config import Config
from mmengine.registry import DATASETS, MODELS, OPTIMIZERS, Registry

from custom_modules.datasets.masks import read_class_weights
from custom_modules.engine.config import PARTS, each_config, is_cut_by_hash, loaded_data_sets, type_name
from custom_modules.utils.errors import UsageError, first_five

INSTEAD = {
    'DiceLoss': ('is inverted', 'BinaryDiceLoss'),
    'TverskyLoss': ('is constantly 0', 'BinaryTverskyLoss'),
    'FocalLoss': ('raises', 'BinaryFocalLoss'),
}
# whole numbers of a config, and the least that each may be
LEAST = {
    **{f'{part}_dataloader.batch_size': 1 for part in PARTS},
    **{f'{part}_dataloader.num_workers': 0 for part in PARTS},
    **dict.fromkeys(('train_cfg.max_epochs', 'train_cfg.max_iters', 'train_cfg.val_interval'), 1),
    **dict.fromkeys(('optim_wrapper.accumulative_counts', 'default_hooks.logger.interval'), 1),
    # -1 is never, and all
    **dict.fromkeys(('default_hooks.checkpoint.interval', 'default_hooks.checkpoint.max_keep_ckpts'), -1),
    **dict.fromkeys(('randomness.seed', 'train_cfg.val_begin'), 0),
}
# numbers of mmengine's schedulers
SCHEDULED = (
    'begin', 'end', 'last_step', 'T_max', 'eta_min', 'eta_min_ratio', 'factor', 'start_factor', 'end_factor', 'gamma',
    'step_size', 'power', 'total_steps', 'eta_max', 'pct_start', 'div_factor', 'final_div_factor', 'patience', 'cooldown',
    'threshold', 'min_value', 'eps',
)  # fmt: skip


def check_config(cfg) -> None:
    """Make every check that needs no data of a config of :func:`custom_modules.engine.config.load_config`; a UsageError says what is wrong."""
    require_whole_loops(cfg)
    require_sound_optimizer(cfg)
    require_numbers_of_schedulers(cfg)
    require_one_split(cfg)
    require_matching_classes(cfg)
    require_one_augmentation(cfg)
    require_unpadded(cfg)


def require_training(cfg) -> None:
    """Refuse a config that does not say what is trained on, for how long, or how."""
    gone = [key for key in ('model', 'train_dataloader', 'train_cfg', 'optim_wrapper') if cfg.get(key) is None]
    if gone:
        raise UsageError(
            f'there is no {" and no ".join(gone)}, without which nothing is trained: add it to the config.'
        )


def require_whole_loops(cfg) -> None:
    """Refuse a config that has a validation or a test in parts, or numbers of steps, images or processes that are none."""
    for part, name in (('val', 'validation'), ('test', 'test')):
        keys = [f'{part}_{key}' for key in ('dataloader', 'cfg', 'evaluator')]
        gone = [key for key in keys if cfg.get(key) is None]
        there = [key for key in keys if key not in gone]
        if gone and there:
            best = ' default_hooks.checkpoint.save_best=None' if part == 'val' else ''
            raise UsageError(
                f'there is no {" and no ".join(gone)}, but {" and ".join(there)}: without {name}, write --cfg-options '
                f'{" ".join(f"{key}=None" for key in keys)}{best}, or the same in the config.'
            )
    for key, least in LEAST.items():
        *parents, last = key.split('.')
        for i in range(1, len(parents) + 1):
            owner = _at(cfg, parents[:i])
            if owner is not None and not isinstance(owner, Mapping):
                raise UsageError(
                    f'{".".join(parents[:i])} is a dict of settings, got {owner!r}: mend it in the config.'
                )
        value = _at(cfg, [*parents, last])
        if value is not None and (not isinstance(value, int) or value < least):
            raise UsageError(f'{key} is a whole number of at least {least}, got {value!r}: mend it.')
    start, known = _at(cfg, ('env_cfg', 'mp_cfg', 'mp_start_method')), get_all_start_methods()
    if start is not None and start not in known and os.name == 'posix':
        raise UsageError(f'env_cfg.mp_cfg.mp_start_method is one of {", ".join(known)}, got {start!r}: mend it.')


def _at(cfg, keys: Sequence[str]):
    for key in keys:
        cfg = cfg.get(key) if isinstance(cfg, Mapping | Config) else None
    return cfg


def require_sound_optimizer(cfg) -> None:
    """Refuse settings that the optimizer does not take, which torch else says in a traceback when all data has been read."""
    norm = _at(cfg, ('optim_wrapper', 'clip_grad', 'max_norm'))
    if norm is not None and not (isinstance(norm, Real) and norm > 0):
        raise UsageError(f'optim_wrapper.clip_grad.max_norm is a number above 0, got {norm!r}: mend it.')
    optimizer = (cfg.get('optim_wrapper') or {}).get('optimizer')
    if not isinstance(optimizer, Mapping):
        return
    if _registered(OPTIMIZERS, cfg, optimizer) is None:
        raise UsageError(
            f'there is no optimizer named {type_name(optimizer)!r}: mend optim_wrapper.optimizer.type, or name the module that '
            'registers it in custom_imports.'
        )
    try:
        OPTIMIZERS.build(dict(optimizer, params=[torch.zeros(1, requires_grad=True)]))
    except (TypeError, ValueError) as error:
        # mmengine says before it which file refused
        reason = str(error).split('.py: ')[-1].strip().rstrip('.')
        raise UsageError(
            f'optim_wrapper.optimizer, {type_name(optimizer)}, cannot be made ({reason}): mend its settings.'
        ) from error
    except RuntimeError:
        # of the device, which is not known yet
        return


def require_numbers_of_schedulers(cfg) -> None:
    """Refuse words where mmengine's schedulers calculate with numbers, which they find out in the first step."""
    for key, scheduler in each_config('param_scheduler', cfg.get('param_scheduler')):
        for name in SCHEDULED:
            if isinstance(scheduler.get(name), str):
                raise UsageError(f'{key}.{name} is a number, got {scheduler[name]!r}: mend it.')


def require_one_split(cfg) -> None:
    """Refuse data sets of one folder that are cut differently: a test image could be a training image."""
    cuts = {}
    for _, dataset in loaded_data_sets(cfg):
        # parts that have folders of their own are not cut; all is cut nowhere
        if is_cut_by_hash(dataset) and dataset.get('split') != 'all':
            cut = f'val_fraction={_share(dataset, "val_fraction", 0.2)}'
            listed = [f'ann_file={dataset.ann_file}'] if dataset.get('ann_file') else []
            if dataset.get('fold') is not None:
                cut = ' '.join([f'fold={dataset.fold} folds={dataset.get("folds", 5)}', cut, *listed])
            elif listed:
                # a list beside a hashed part knows nothing of it either
                cut = 'ann_file'
            else:
                cut += f' test_fraction={_share(dataset, "test_fraction", 0.0)}'
            folder = ' '.join((dataset.get('data_prefix') or {}).values())
            cuts.setdefault((os.path.normpath(dataset.data_root), folder), set()).add(cut)
    for (root, _), found in cuts.items():
        if len(found) > 1:
            raise UsageError(
                f'the data sets on {root} are cut differently ({" and ".join(sorted(found))}): set the same '
                'in the train, val and test data loader, or images are shared between them.'
            )


def _share(dataset: dict, key: str, default: float) -> float:
    value = dataset.get(key, default)
    if not isinstance(value, Real):
        raise UsageError(f'{key} of {type_name(dataset)} is a share, a number from 0 to 1, got {value!r}: mend it.')
    return float(value)


def require_matching_classes(cfg) -> None:
    """Refuse heads that do not fit the classes of a data set, which it names in the config or in its class, or losses and weights that do not fit a head."""
    found = [(key, _class_names(cfg, own), own) for key, own in loaded_data_sets(cfg)]
    named = [(key, names, own) for key, names, own in found if names is not None]
    for key, names, _ in named:
        # what one part calls 1 would be something else in the next
        if list(names) != list(named[0][1]):
            raise UsageError(
                f'{named[0][0]} has the classes {first_five(named[0][1])}, but {key} has {first_five(names)}: give all '
                'data sets the same classes in the same order.'
            )
    model = cfg.get('model') or {}
    for name in ('decode_head', 'auxiliary_head', 'head'):
        for key, head in each_config(f'model.{name}', model.get(name)):
            classes, channels = head_size(cfg, head)
            if classes is None:
                continue
            # one channel of a segmentor is the probability of the second class of two
            expected = 2 if channels == 1 and name != 'head' else classes
            for data_key, names, own in named:
                if len(names) != expected:
                    also = ' and leave out_channels out' if head.get('out_channels') else ''
                    raise UsageError(
                        f'{key} is for {expected} classes, but {data_key} ({own.get("type")}) has {len(names)} '
                        f'({first_five(names)}): set {key}.num_classes={len(names)}{also}, or choose other classes there.'
                    )
            if name == 'head':
                _require_countable(cfg, classes)
            for loss_key, loss in each_config(f'{key}.loss_decode', head.get('loss_decode')):
                if fault := _fault_of_loss(loss, channels):
                    raise UsageError(f'{loss_key}: {fault}.')
                _require_weights(f'{loss_key}.class_weight', loss.get('class_weight'), channels)


def head_size(cfg, head: dict) -> tuple[int | None, int | None]:
    """Find out how many classes and output channels a head will have; None where the config does not say."""
    # mmseg's own heads have no default, and one channel only if they are told so
    ours = any(base.__name__ == 'UNetHead' for base in getattr(_registered(MODELS, cfg, head), '__mro__', ()))
    classes = head.get('num_classes', 2 if ours else None)
    return classes, head.get('out_channels') or (1 if ours and classes == 2 else classes)


def _fault_of_loss(loss: dict, channels: int) -> str | None:
    """Say why a loss fails, or teaches nothing or the opposite, with so many output channels, and what to write instead."""
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
        return (
            f"{name} is for one output channel, and the head has {channels}: use mmseg's {name.removeprefix('Binary')}"
        )
    if name == 'CrossEntropyLoss' and weighted and sigmoid:
        return 'mmseg cannot weight the classes of several sigmoids: set use_sigmoid=False or class_weight=None'
    if name == 'CrossEntropyLoss' and weighted and loss.get('avg_non_ignore'):
        return 'mmseg raises with class_weight and avg_non_ignore=True: set avg_non_ignore=False'
    return None


def _require_countable(cfg, classes: int) -> None:
    for name in ('val_evaluator', 'test_evaluator'):
        for key, metric in each_config(name, cfg.get(name)):
            most = max(metric['topk']) if metric.get('topk') else 1
            if metric.get('type') == 'Accuracy' and most > classes:
                raise UsageError(
                    f'{key}.topk asks for the top {most} of {classes} classes: leave it out there, and in model.head.'
                )


def _require_weights(key: str, weights: Sequence[float] | str | None, channels: int) -> None:
    if isinstance(weights, str):
        # mmseg takes a text for the name of a file
        if not Path(weights).is_file():
            raise UsageError(
                f'{key} names the file {weights}, which does not exist: write the weights as a list of numbers.'
            )
        weights = read_class_weights(weights)
    several = hasattr(weights, '__len__')
    if weights is None or (several and len(weights) == channels):
        return
    found = f'holds {len(weights)} weights' if several else f'is {weights!r}'
    wanted = f'a list of {channels} weights, one for each class'
    wanted = 'one weight, that of class 1' if channels == 1 else wanted
    raise UsageError(
        f'{key} {found}, but the head has {channels} output channel{"s" * (channels > 1)}: give it {wanted} '
        '(`python tools/class_weights.py CONFIG` prints them).'
    )


def _class_names(cfg, dataset: dict) -> Sequence[str] | None:
    metainfo = dataset.get('metainfo') or {}
    own = getattr(_registered(DATASETS, cfg, dataset), 'METAINFO', {})
    named = dataset.get('classes'), metainfo.get('classes'), dataset.get('wnids')
    # a text is the name of a file
    return next((n for n in (*named, own.get('classes')) if isinstance(n, list | tuple)), None)


def _registered(registry: Registry, cfg, part: dict) -> type | None:
    with registry.switch_scope_and_registry(cfg.get('default_scope')) as scoped:
        name = part.get('type')
        return scoped.get(name) if isinstance(name, str) else name


def require_one_augmentation(cfg) -> None:
    """Refuse a training whose images would be flipped, turned or brightened twice: one by one, and again as a batch."""
    preprocessor = (cfg.get('model') or {}).get('data_preprocessor') or {}
    of_batch = {name.removeprefix('Batch') for name in _types(preprocessor.get('augments'))}
    # the affine map turns as well
    of_batch |= {'RandomRotate'} if 'RandomAffine' in of_batch else set()
    pipelines = [dataset.get('pipeline') for _, dataset in loaded_data_sets(cfg, ['train'])]
    twice = [name for pipeline in pipelines for name in _types(pipeline) if name in of_batch]
    if twice:
        raise UsageError(
            f'{", ".join(dict.fromkeys(twice))} of the training pipeline would be done again by the data preprocessor, on the whole batch: '
            'set train_dataloader.dataset.pipeline=_base_.plain_pipeline in the config, or leave '
            'model.data_preprocessor=_base_.batch_augments... out.'
        )


def require_unpadded(cfg) -> None:
    """Refuse ``grey_standardize`` where training images get padded: each one's mean would be of its padding too."""
    model = cfg.get('model') or {}
    if not (model.get('backbone') or {}).get('grey_standardize'):
        return
    step = (model.get('data_preprocessor') or {}).get('size_divisor') or 1
    for key, dataset in loaded_data_sets(cfg, ['train']):
        cut_out = [s['size'] for s in dataset.get('pipeline') or () if s['type'] == 'RandomZoom']
        size = [*cut_out, dataset.get('load_size')][0]
        if size is None or any(side % step for side in size):
            raise UsageError(
                f'{key} gives images of {"their own sizes" if size is None else f"{size[0]}x{size[1]}"}, which are padded to '
                f'multiples of {step}, and grey_standardize would count the padding: set {key}.load_size to multiples of {step}.'
            )


def _types(steps: list | None) -> list[str]:
    names = []
    for step in steps or ():
        if isinstance(step, list | tuple):
            names += _types(step)
        else:
            names += [step['type'], *_types(step.get('augments')), *_types(step.get('transforms'))]
    return names
