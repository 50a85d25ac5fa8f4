import copy
import inspect

from mmengine.config import Config
from mmengine.registry import MODELS

from custom_modules.models.backbones.staged_backbone import StagedBackbone

from .stock_classifier_parts import stock_classifier_parts
from .stock_segmentor_parts import stock_segmentor_parts

PARTS = dict(mmseg=stock_segmentor_parts, mmpretrain=stock_classifier_parts)


def stock_config(cfg: Config, workers: int) -> Config:
    """Write the config that a user of plain MMSegmentation or MMPretrain would have for the same model and data.

    The same: network, losses, batch size, optimizer with its settings, gradient clipping and precision, epochs, images,
    freezing schedule. As in these libraries' own configs (``configs/_base_``): everything else. In particular

    - each file is read and decoded in each epoch, with the standard pipeline;
    - default memory layout, optimizer not fused, nothing compiled, frozen batch norms not folded;
    - mmengine's default hooks: a log line each 50 (mmpretrain: 100) iterations, a checkpoint each epoch;
    - what :func:`stock_segmentor_parts` and :func:`stock_classifier_parts` say.

    Args:
        cfg (Config): The project's config, as :func:`benchmark_config` gives it.
        workers (int): Worker processes of the training loader, and of that for validation. mmseg's configs have 4 each,
            mmpretrain's 5; on fewer cores that many would only be in each other's way.

    Returns:
        Config: For mmengine's ``Runner``.
    """
    parts = PARTS[cfg.default_scope](cfg)
    _unfold(parts['model'], cfg.default_scope)
    loader = dict(num_workers=workers, persistent_workers=workers > 0)
    train, val = cfg.train_dataloader, cfg.val_dataloader
    hooks = dict(
        timer=dict(type='IterTimerHook'),
        logger=dict(type='LoggerHook', interval=parts['log_interval']),
        param_scheduler=dict(type='ParamSchedulerHook'),
        checkpoint=dict(type='CheckpointHook', interval=1),
        sampler_seed=dict(type='DistSamplerSeedHook'),
        visualization=parts['visualization'],
    )
    if 'freeze_schedule' in cfg.default_hooks:
        # else another part of the network would train
        hooks['freeze_schedule'] = cfg.default_hooks.freeze_schedule
    return Config(
        dict(
            default_scope=cfg.default_scope,
            custom_imports=dict(imports=parts['imports'], allow_failed_imports=False),
            model=parts['model'],
            train_dataloader=dict(
                batch_size=train.batch_size,
                drop_last=train.get('drop_last', False),
                sampler=dict(type='DefaultSampler', shuffle=True),
                dataset=_dataset(train.dataset, parts['train_pipeline']),
                **loader,
            ),
            val_dataloader=dict(
                batch_size=parts['val_batch_size'],
                sampler=dict(type='DefaultSampler', shuffle=False),
                dataset=_dataset(val.dataset, parts['test_pipeline']),
                **loader,
            ),
            val_evaluator=parts['evaluator'],
            optim_wrapper=_optim_wrapper(cfg),
            param_scheduler=parts['param_scheduler'],
            train_cfg=dict(by_epoch=True, max_epochs=cfg.train_cfg.max_epochs, val_interval=1),
            val_cfg=dict(),
            default_hooks=hooks,
            env_cfg=dict(
                # mmpretrain's own configs leave it off, which on a GPU would be to our favour
                cudnn_benchmark=True,
                mp_cfg=dict(mp_start_method='fork', opencv_num_threads=0),
                dist_cfg=dict(backend='nccl'),
            ),
            visualizer=dict(
                type=parts['visualizer'],
                vis_backends=[dict(type='LocalVisBackend')],
                name='visualizer',
            ),
            log_processor=dict(by_epoch=True),
            log_level='INFO',
            randomness=dict(seed=0),
            launcher='none',
        )
    )


def _unfold(model: dict, scope: str) -> None:
    if 'fold_frozen' not in inspect.signature(StagedBackbone).parameters:
        return
    with MODELS.switch_scope_and_registry(scope) as registry:
        backbone = registry.get(model['backbone']['type'])
    if issubclass(backbone, StagedBackbone):
        model['backbone']['fold_frozen'] = False


def _dataset(dataset: dict, pipeline: list[dict]) -> dict:
    """The project's list of files, which the libraries' own data sets could not match, read by their transforms."""
    kept = copy.deepcopy(dataset.to_dict())
    kept.pop('cache', None)
    return kept | dict(pipeline=pipeline)


def _optim_wrapper(cfg: Config) -> dict:
    wrapper = copy.deepcopy(cfg.optim_wrapper.to_dict())
    for switch in ('fused', 'foreach'):
        wrapper['optimizer'].pop(switch, None)
    return wrapper
