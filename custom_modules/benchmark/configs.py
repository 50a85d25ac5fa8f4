"""The configs that are compared: the user's, the same with one lever changed, and the same network in a stock config."""

from collections.abc import Sequence

from mmengine.config import Config
from mmengine.device import get_device
from mmengine.registry import DATASETS, MODELS

from custom_modules.engine.config import value_at, without_cache
from custom_modules.models.backbones.staged_backbone import StagedBackbone
from custom_modules.utils.errors import UsageError
from custom_modules.utils.files import REPOSITORY

# transforms of mmpretrain that set the image size, and their argument for it
SIZED = dict(RandomResizedCrop='scale', Resize='scale', RandomCrop='crop_size')
SIZED |= dict(CenterCrop='crop_size', BatchRandomResizedCrop='size')
# for each lever its option, the values for off and on, and the value where the option is not set
LEVERS = dict(
    cache=('train_dataloader.dataset.cache', None, 'ram', None),
    channels_last=('default_hooks.channels_last.enabled', False, True, True),
    compile=('default_hooks.compile.enabled', False, True, False),
    frozen_encoder=('default_hooks.freeze_schedule.schedule', {0: -1}, {0: 4}, {0: -1}),
)


def keep_samples(cfg: Config, part: str, count: int) -> None:
    """Keep so many evenly spaced samples of a part, ``'train'`` or ``'val'``; a UsageError if it has fewer."""
    dataset = cfg[f'{part}_dataloader'].dataset
    with DATASETS.switch_scope_and_registry(cfg.default_scope) as registry:
        available = len(registry.build(without_cache(dataset)))
    if count > available:
        raise UsageError(
            f'--pairs asks for {count} pairs of the {part} part, which has {available}: lower it, or give more '
            'data (MOON_DATA, TINY_IMAGENET).'
        )
    # a classifier's samples are sorted by class
    dataset.indices = [i * available // count for i in range(count)]


def fixed_image_size(cfg: Config, part: str) -> tuple[int, int]:
    """Return the width and height of the images of a part, ``'train'`` or ``'val'``, without the hook that would change it; or a UsageError."""
    cfg.default_hooks.pop('progressive_resize', None)
    dataset = cfg[f'{part}_dataloader'].dataset
    size, steps = dataset.get('load_size'), dataset.get('pipeline') or []
    if cfg.default_scope == 'mmpretrain':
        for step in [*steps, *cfg.model.get('data_preprocessor', {}).get('augments', [])]:
            size = step.get(SIZED.get(step['type']), size)
        size = (size, size) if isinstance(size, int) else size
    zooms = [step['size'] for step in steps if step['type'] == 'RandomZoom']
    if size is None or any(tuple(zoom) != tuple(size) for zoom in zooms):
        raise UsageError(
            f'the images of {part}_dataloader have no one size, at which the other contestants could be given them: set '
            f'{part}_dataloader.dataset.load_size, and a pipeline without RandomZoom (of a classifier: a Resize to a square).'
        )
    return tuple(size)


def switch_lever(cfg: Config, lever: str) -> tuple[str, Config]:
    """Switch one of ``LEVERS``: return a name, such as ``'without cache'``, and the changed copy of a config."""
    key, off, on, default = LEVERS[lever]
    place, last = key.rsplit('.', 1)
    other = Config(cfg.to_dict())
    section = value_at(other, *place.split('.'))
    if section is None:
        raise UsageError(f'the lever {lever} moves {key}, which this config does not have.')
    word, value = ('with', on) if section.get(last, default) == off else ('without', off)
    section[last] = value
    return f'{word} {lever}', other


def stock_config(cfg: Config, size: Sequence[int], workers: int, precision: str) -> Config:
    """Return the config that a user of plain MMSegmentation or MMPretrain would have for the same model and images.

    Network, losses, batch size, optimizer, clipping, epochs, images of ``size`` (width, height) and freezing schedule are kept.
    All else is as in ``configs/_base_/stock``: every epoch decodes each file, with the standard pipeline and ``workers`` in each
    loader; default memory layout, optimizer not fused, nothing compiled, frozen batch norms not folded. ``precision`` is
    ``'float32'``, the default of both libraries, or the config's own: with mmengine's wrapper on a GPU, and with this project's
    on a CPU, for which mmengine has none.
    """
    stock = Config.fromfile(REPOSITORY / 'configs' / '_base_' / 'stock' / f'{cfg.default_scope}.py')
    given = cfg.to_dict()
    model, wrapper, hooks = given['model'], given['optim_wrapper'], given['default_hooks']
    kept = ('mean', 'std', 'bgr_to_rgb', 'to_rgb', 'pad_val', 'seg_pad_val')
    norm = {key: value for key, value in model['data_preprocessor'].items() if key in kept}
    if cfg.default_scope == 'mmseg':
        stock.model.data_preprocessor.update(norm, size=size[::-1])
        model |= stock.model.to_dict()
    else:
        model |= dict(type='ImageClassifier', data_preprocessor=norm)
    with MODELS.switch_scope_and_registry(cfg.default_scope) as registry:
        if issubclass(registry.get(model['backbone']['type']), StagedBackbone):
            model['backbone']['fold_frozen'] = False
            if 'decode_head' in model:
                # mmseg's heads need the numbers in the config
                model['decode_head'].setdefault('in_channels', registry.build(model['backbone']).out_channels)
    # as in mmpretrain: an edge of 256 for a crop of 224
    edge = dict(scale=round(size[0] * 256 / 224))
    sizes = dict(Resize=dict(scale=tuple(size)), RandomResizedCrop=dict(scale=size[0]))
    sizes |= dict(ResizeEdge=edge, CenterCrop=dict(crop_size=size[0]))
    for part, name in (('train', 'train_pipeline'), ('val', 'test_pipeline')):
        pipeline, loader = stock.pop(name), stock[f'{part}_dataloader']
        for step in pipeline:
            step.update(sizes.get(step.type, {}))
        dataset = without_cache(given[f'{part}_dataloader']['dataset']) | dict(pipeline=pipeline)
        loader.update(dataset=dataset, num_workers=workers, persistent_workers=workers > 0)
        # mmpretrain's configs have one batch size for both
        loader.setdefault('batch_size', cfg.train_dataloader.batch_size)
    stock.train_dataloader.drop_last = given['train_dataloader'].get('drop_last', False)
    for key in ('fused', 'foreach'):
        wrapper['optimizer'].pop(key, None)
    wrapper.pop('constructor', None)
    if precision == 'float32' or get_device() != 'cpu':
        for key in ('dtype', 'loss_scale'):
            wrapper.pop(key, None)
        wrapper['type'] = 'OptimWrapper'
        if precision != 'float32':
            wrapper.update(type='AmpOptimWrapper', dtype=precision)
    epochs = given['train_cfg']['max_epochs']
    stock.train_cfg = dict(by_epoch=True, max_epochs=epochs)
    stock.param_scheduler.end = epochs
    if 'freeze_schedule' in hooks:
        # otherwise another part of the network would be trained
        stock.default_hooks.freeze_schedule = hooks['freeze_schedule']
    stock.model, stock.optim_wrapper = model, wrapper
    stock.pop('vis_backends')
    return stock
