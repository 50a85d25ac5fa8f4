import copy

from mmengine.config import Config

from .load_size import load_size


def stock_segmentor_parts(cfg: Config) -> dict:
    """Give what a stock config of plain MMSegmentation has of its own, as in mmseg's ``configs/_base_``.

    - PNG pairs through ``Resize``, ``RandomFlip`` and ``PhotoMetricDistortion``;
    - ``SegDataPreProcessor``, ``EncoderDecoder`` with ``acc_seg``;
    - validation image by image at the original size, which is what ``Resize`` and ``IoUMetric`` amount to.

    Args:
        cfg (Config): The project's config.

    Returns:
        dict: For :func:`stock_config`.
    """
    size = load_size(cfg)
    return dict(
        imports=['custom_modules.segmentation', 'custom_modules.benchmark.stock_segmentor'],
        model=_model(cfg, size),
        train_pipeline=[
            dict(type='LoadImageFromFile'),
            dict(type='LoadAnnotations'),
            dict(type='Resize', scale=size, keep_ratio=False),
            dict(type='RandomFlip', prob=0.5),
            dict(type='PhotoMetricDistortion'),
            dict(type='PackSegInputs'),
        ],
        test_pipeline=[
            dict(type='LoadImageFromFile'),
            dict(type='Resize', scale=size, keep_ratio=False),
            # after the resize, as in mmseg: the truth keeps its size, and predictions are resized to it
            dict(type='LoadAnnotations'),
            dict(type='PackSegInputs'),
        ],
        val_batch_size=1,
        evaluator=dict(type='IoUMetric', iou_metrics=['mIoU']),
        param_scheduler=dict(
            type='PolyLR',
            power=0.9,
            eta_min=1e-6,
            begin=0,
            end=cfg.train_cfg.max_epochs,
            convert_to_iter_based=True,
        ),
        log_interval=50,
        visualization=dict(type='SegVisualizationHook'),
        visualizer='SegLocalVisualizer',
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
    return model | dict(type='StockSegmentor')
