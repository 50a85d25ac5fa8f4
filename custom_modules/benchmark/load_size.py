from custom_modules.utils.errors import UsageError

# the transforms of mmpretrain that set the size, and where they hold it
SIZED = dict(
    RandomResizedCrop='scale', Resize='scale', RandomCrop='crop_size', CenterCrop='crop_size'
)


def load_size(cfg) -> tuple[int, int]:
    """Return width and height at which a config's training images enter the network.

    Args:
        cfg (mmengine.Config): The config of a segmentor or classifier.

    Raises:
        UsageError: If a segmentor's data set has no ``load_size`` or its pipeline zooms to another, or a classifier's
            pipeline gives no squares of one size: the contestants could not be given the same images.

    Example:
        >>> from mmengine.config import ConfigDict
        >>> crop = dict(type='RandomResizedCrop', scale=128)
        >>> loader = dict(dataset=dict(pipeline=[dict(type='LoadImageFromFile'), crop]))
        >>> load_size(ConfigDict(default_scope='mmpretrain', train_dataloader=loader))
        (128, 128)
    """
    dataset = cfg.train_dataloader.dataset
    if cfg.get('default_scope') == 'mmpretrain':
        return _crop_size(dataset.pipeline)
    size = dataset.get('load_size')
    if size is None:
        raise UsageError(
            "the training set has no load_size, which the other contestants' images are resized to: give it with "
            '--cfg-options "train_dataloader.dataset.load_size=(128,128)" "val_dataloader.dataset.load_size=(128,128)".'
        )
    _require_no_zoom(dataset.get('pipeline', ()), tuple(size))
    return tuple(size)


def _require_no_zoom(pipeline: list[dict], size: tuple[int, int]) -> None:
    for step in pipeline:
        if step['type'] == 'RandomZoom' and tuple(step['size']) != size:
            smaller = tuple(step['size'])
            raise UsageError(
                f'the training pipeline zooms (RandomZoom) to {smaller} in pairs that are loaded at {size}, so the other '
                'contestants would be given images of another size: choose another pipeline for the benchmark, such as '
                f'train_dataloader.dataset.pipeline=_base_.plain_pipeline with load_size={smaller}.'
            )


def _crop_size(pipeline: list[dict]) -> tuple[int, int]:
    size = None
    for step in pipeline:
        size = step.get(SIZED.get(step['type']), size)
    sides = {size} if isinstance(size, int) else set(size or ())
    if len(sides) != 1:
        raise UsageError(
            f'the training pipeline gives no squares of one size (its last one is {size}), which the other contestants '
            f'could be given too: end it with one of {", ".join(SIZED)} to a square.'
        )
    return (*sides, *sides)
