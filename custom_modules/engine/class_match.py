from collections.abc import Sequence
from pathlib import Path

from mmengine.registry import DATASETS, MODELS, Registry

from custom_modules.datasets.find_files import first_five
from custom_modules.usage_error import UsageError

from .loss_match import require_sound_loss
from .nested_configs import data_set_configs, each_config


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
