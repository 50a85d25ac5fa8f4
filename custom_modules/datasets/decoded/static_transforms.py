import inspect
from collections.abc import Callable, Sequence

# what always gives the same for the same files, by the package that has it; a subclass may draw numbers
STATIC = frozenset(
    {
        ('mmcv', 'LoadImageFromFile'),
        ('mmcv', 'Resize'),
        ('mmcv', 'CenterCrop'),
        ('mmseg', 'LoadAnnotations'),
        ('mmpretrain', 'ResizeEdge'),
        ('custom_modules', 'ResizeToLoadSize'),
    }
)


def static_transforms(transforms: Sequence[Callable]) -> list[Callable]:
    """Take the leading transforms of a pipeline whose result depends on the files alone.

    Args:
        transforms (Sequence[Callable]): The transforms of a pipeline.

    Returns:
        list[Callable]: Those before the first that may draw random numbers, or packs the sample.

    Example:
        >>> from mmcv.transforms import LoadImageFromFile, RandomFlip, Resize
        >>> load, flip, resize = LoadImageFromFile(), RandomFlip(0.5), Resize((8, 8))
        >>> static_transforms([load, resize, flip, resize]) == [load, resize]
        True
    """
    static = []
    for transform in transforms:
        kind = type(transform)
        if (kind.__module__.split('.')[0], kind.__qualname__) not in STATIC:
            break
        static.append(transform)
    return static


def describe(transforms: Sequence[Callable]) -> str:
    """Write down what transforms do: their code and their settings.

    Args:
        transforms (Sequence[Callable]): Static transforms.

    Returns:
        str: The same for transforms that do the same.
    """
    return repr([(inspect.getsource(type(t)), _settings(t)) for t in transforms])


def _settings(transform: Callable) -> list[tuple[str, object]]:
    # LoadAnnotations sets it when it is first used, to what the sample says
    return sorted((k, v) for k, v in vars(transform).items() if k != 'reduce_zero_label')
