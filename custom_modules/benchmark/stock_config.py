import copy
import inspect

from mmengine.config import Config
from mmengine.registry import MODELS

from custom_modules.models.backbones.staged_backbone import StagedBackbone

from .load_size import load_size


def stock_config(cfg: Config, workers: int) -> Config:
    """Write the config that a user of plain MMSegmentation would have for the same model and data.

    The same: network, losses, batch size, optimizer with its settings, gradient clipping and precision, epochs, images,
    freezing schedule. As in mmseg's own configs (``configs/_base_``): everything else. In particular

    - each image and mask is read and decoded from its file, in each epoch, with the standard pipeline;
    - ``SegDataPreProcessor``, default memory layout, optimizer not fused, nothing compiled, frozen batch norms
      not folded, ``acc_seg`` computed;
    - validation image by image at the original size, which is what ``Resize`` and ``IoUMetric`` amount to;
    - mmengine's default hooks: a log line each 50 iterations, a checkpoint each epoch.

    Args:
        cfg (Config): The project's config, as :func:`benchmark_config` gives it.
        workers (int): Worker processes of the training loader, and of that for validation. mmseg's configs have 4 each;
            on fewer cores that many would only be in each other's way.

    Returns:
        Config: For mmengine's ``Runner``.
    """
    size = load_size(cfg)
    epochs = cfg.train_cfg.max_epochs
    train_pipeline = [
        dict(type='LoadImageFromFile'),
        dict(type='LoadAnnotations'),
        dict(type='Resize', scale=size, keep_ratio=False),
        dict(type='RandomFlip', prob=0.5),
        dict(type='PhotoMetricDistortion'),
        dict(type='PackSegInputs'),
    ]
    test_pipeline = [
        dict(type='LoadImageFromFile'),
        dict(type='Resize', scale=size, keep_ratio=False),
        # after the resize, as in mmseg: the truth keeps its size, and predictions are resized to it
        dict(type='LoadAnnotations'),
        dict(type='PackSegInputs'),
    ]
    loader = dict(num_workers=workers, persistent_workers=workers > 0)
    train, val = cfg.train_dataloader, cfg.val_dataloader
    hooks = dict(
        timer=dict(type='IterTimerHook'),
        logger=dict(type='LoggerHook', interval=50),
        param_scheduler=dict(type='ParamSchedulerHook'),
        checkpoint=dict(type='CheckpointHook', interval=1),
        sampler_seed=dict(type='DistSamplerSeedHook'),
        visualization=dict(type='SegVisualizationHook'),
    )
    if 'freeze_schedule' in cfg.default_hooks:
        # else another part of the network would train
        hooks['freeze_schedule'] = cfg.default_hooks.freeze_schedule
    return Config(
        dict(
            default_scope='mmseg',
            custom_imports=dict(
                imports=[
                    'custom_modules.segmentation',
                    'custom_modules.benchmark.stock_segmentor',
                ],
                allow_failed_imports=False,
            ),
            model=_model(cfg, size),
            train_dataloader=dict(
                batch_size=train.batch_size,
                drop_last=train.get('drop_last', False),
                sampler=dict(type='DefaultSampler', shuffle=True),
                dataset=_dataset(train.dataset, train_pipeline),
                **loader,
            ),
            val_dataloader=dict(
                batch_size=1,
                sampler=dict(type='DefaultSampler', shuffle=False),
                dataset=_dataset(val.dataset, test_pipeline),
                **loader,
            ),
            val_evaluator=dict(type='IoUMetric', iou_metrics=['mIoU']),
            optim_wrapper=_optim_wrapper(cfg),
            param_scheduler=dict(
                type='PolyLR',
                power=0.9,
                eta_min=1e-6,
                begin=0,
                end=epochs,
                convert_to_iter_based=True,
            ),
            train_cfg=dict(by_epoch=True, max_epochs=epochs, val_interval=1),
            val_cfg=dict(),
            default_hooks=hooks,
            env_cfg=dict(
                cudnn_benchmark=True,
                mp_cfg=dict(mp_start_method='fork', opencv_num_threads=0),
                dist_cfg=dict(backend='nccl'),
            ),
            visualizer=dict(
                type='SegLocalVisualizer',
                vis_backends=[dict(type='LocalVisBackend')],
                name='visualizer',
            ),
            log_processor=dict(by_epoch=True),
            log_level='INFO',
            randomness=dict(seed=0),
            launcher='none',
        )
    )


def _model(cfg: Config, size: tuple[int, int]) -> dict:
    model = copy.deepcopy(cfg.model.to_dict())
    given = model['data_preprocessor']
    kept = ('mean', 'std', 'bgr_to_rgb', 'pad_val', 'seg_pad_val')
    model['data_preprocessor'] = dict(
        {key: given[key] for key in kept if key in given},
        type='SegDataPreProcessor',
        size=size[::-1],
    )
    if 'fold_frozen' in inspect.signature(StagedBackbone).parameters:
        with MODELS.switch_scope_and_registry(cfg.default_scope) as registry:
            backbone = registry.get(model['backbone']['type'])
        if issubclass(backbone, StagedBackbone):
            model['backbone']['fold_frozen'] = False
    return model | dict(type='StockSegmentor')


def _dataset(dataset: dict, pipeline: list[dict]) -> dict:
    """The project's list of pairs, whose names mmseg's own could not match, read by mmseg's transforms."""
    kept = copy.deepcopy(dataset.to_dict())
    kept.pop('cache', None)
    return kept | dict(pipeline=pipeline)


def _optim_wrapper(cfg: Config) -> dict:
    wrapper = copy.deepcopy(cfg.optim_wrapper.to_dict())
    for switch in ('fused', 'foreach'):
        wrapper['optimizer'].pop(switch, None)
    return wrapper
