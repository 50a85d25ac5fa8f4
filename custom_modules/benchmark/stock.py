"""The config that a user of plain MMSegmentation or MMPretrain would have for the same model and images."""

import copy
from collections.abc import Sequence

from mmengine.config import Config
from mmengine.registry import MODELS

from custom_modules.engine.config import without_cache
from custom_modules.models.backbones.staged_backbone import StagedBackbone
from custom_modules.utils.files import REPOSITORY

FOLDER = REPOSITORY / 'configs' / '_base_' / 'stock'


def stock_config(cfg: Config, size: Sequence[int], workers: int, precision: str) -> Config:
    """Put a config's network and images into what the libraries' own configs have around theirs.

    The same: network, losses, batch size, optimizer with its settings, gradient clipping, epochs, images, freezing
    schedule. As in ``configs/_base_/stock``: everything else. Each file is decoded in each epoch, with the standard
    pipeline; default memory layout, optimizer not fused, nothing compiled, frozen batch norms not folded.

    Args:
        cfg (Config): The project's config.
        size (Sequence[int]): Width and height of its images.
        workers (int): Worker processes of each loader. mmseg's configs have 4, mmpretrain's 5.
        precision (str): ``'float32'``, as a user has it by default; ``'amp'``, mmengine's own, for a GPU; or
            ``'as given'``, the config's own, which on a CPU stock has no way to.
    """
    stock = Config.fromfile(FOLDER / f'{cfg.default_scope}.py')
    given = copy.deepcopy(cfg.to_dict())
    model, wrapper = given['model'], given['optim_wrapper']
    if cfg.default_scope == 'mmseg':
        norm = model['data_preprocessor']
        kept = ('mean', 'std', 'bgr_to_rgb', 'pad_val', 'seg_pad_val')
        stock.model.data_preprocessor.update(
            {key: norm[key] for key in kept if key in norm}, size=size[::-1]
        )
        model |= stock.model.to_dict()
    else:
        norm = model['data_preprocessor']
        norm = {key: norm[key] for key in ('mean', 'std', 'to_rgb') if key in norm}
        model |= dict(type='ImageClassifier', data_preprocessor=norm)
    wrapper.pop('constructor', None)
    with MODELS.switch_scope_and_registry(cfg.default_scope) as registry:
        backbone = registry.get(model['backbone']['type'])
        if issubclass(backbone, StagedBackbone):
            model['backbone']['fold_frozen'] = False
            if cfg.default_scope == 'mmseg':
                # a stock config repeats these numbers by hand
                channels = registry.build(model['backbone']).out_channels
                model['decode_head'].setdefault('in_channels', channels)
    stock.model = model
    sizes = dict(
        Resize=dict(scale=tuple(size)),
        RandomResizedCrop=dict(scale=size[0]),
        # mmpretrain's 256 for 224
        ResizeEdge=dict(scale=round(size[0] * 256 / 224)),
        CenterCrop=dict(crop_size=size[0]),
    )
    for step in (*stock.train_pipeline, *stock.test_pipeline):
        step.update(sizes.get(step.type, {}))
    for part, pipeline in (('train', stock.train_pipeline), ('val', stock.test_pipeline)):
        loader, own = stock[f'{part}_dataloader'], without_cache(given[f'{part}_dataloader'])
        loader.update(dataset=own['dataset'] | dict(pipeline=pipeline), num_workers=workers)
        loader.persistent_workers = workers > 0
        # mmpretrain has one batch size for both
        loader.setdefault('batch_size', cfg.train_dataloader.batch_size)
    stock.train_dataloader.drop_last = given['train_dataloader'].get('drop_last', False)
    if cfg.default_scope == 'mmpretrain':
        metrics = given['val_evaluator']
        metrics = [metrics] if isinstance(metrics, dict) else metrics
        # whose topk suits the number of classes
        (topk,) = (one['topk'] for one in metrics if one['type'].endswith('Accuracy'))
        stock.val_evaluator.topk = topk
    for switch in ('fused', 'foreach'):
        wrapper['optimizer'].pop(switch, None)
    if precision != 'as given':
        wrapper['type'] = 'OptimWrapper' if precision == 'float32' else 'AmpOptimWrapper'
        for key in ('dtype', 'loss_scale'):
            wrapper.pop(key, None)
    stock.optim_wrapper = wrapper
    stock.train_cfg = dict(by_epoch=True, max_epochs=given['train_cfg']['max_epochs'])
    stock.param_scheduler.end = given['train_cfg']['max_epochs']
    if 'freeze_schedule' in given['default_hooks']:
        # else another part of the network would train
        stock.default_hooks.freeze_schedule = given['default_hooks']['freeze_schedule']
    for key in ('train_pipeline', 'test_pipeline', 'vis_backends'):
        stock.pop(key)
    return stock
