import copy

from mmengine.config import Config

from .load_size import load_size


def stock_classifier_parts(cfg: Config) -> dict:
    """Give what a stock config of plain MMPretrain has of its own, as in ``configs/_base_/datasets/imagenet_bs32.py``.

    - JPEG files through ``RandomResizedCrop`` and ``RandomFlip``, for validation ``ResizeEdge`` and ``CenterCrop`` (at
      224 pixels an edge of 256, at other sizes in proportion);
    - ``ImageClassifier`` with its head, as the project has it too;
    - ``Accuracy``, which takes each sample's scores off the device and joins them at the end.

    Args:
        cfg (Config): The project's config.

    Returns:
        dict: For :func:`stock_config`.
    """
    size = load_size(cfg)[0]
    return dict(
        imports=['custom_modules.classification'],
        model=copy.deepcopy(cfg.model.to_dict()),
        train_pipeline=[
            dict(type='LoadImageFromFile'),
            dict(type='RandomResizedCrop', scale=size),
            dict(type='RandomFlip', prob=0.5, direction='horizontal'),
            dict(type='PackInputs'),
        ],
        test_pipeline=[
            dict(type='LoadImageFromFile'),
            dict(type='ResizeEdge', scale=round(size * 256 / 224), edge='short'),
            dict(type='CenterCrop', crop_size=size),
            dict(type='PackInputs'),
        ],
        # one batch size for both, as in mmpretrain
        val_batch_size=cfg.train_dataloader.batch_size,
        evaluator=_accuracy(cfg.val_evaluator),
        param_scheduler=dict(
            type='CosineAnnealingLR', by_epoch=True, begin=0, end=cfg.train_cfg.max_epochs
        ),
        log_interval=100,
        visualization=dict(type='VisualizationHook', enable=False),
        visualizer='UniversalVisualizer',
    )


def _accuracy(evaluators: dict | list[dict]) -> dict:
    """The config's own, whose ``topk`` suits the number of classes."""
    evaluators = [evaluators] if isinstance(evaluators, dict) else evaluators
    found = (dict(one) for one in evaluators if one['type'] == 'Accuracy')
    return next(found, dict(type='Accuracy'))
