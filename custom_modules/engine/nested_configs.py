from collections.abc import Iterator, Sequence


def each_config(key: str, value: dict | Sequence[dict] | None) -> Iterator[tuple[str, dict]]:
    """Yield the one dict, or those of a list, with their keys as ``--cfg-options`` takes them.

    Args:
        key (str): Where it stands in the config.
        value (dict | Sequence[dict] | None): What stands there.

    Example:
        >>> list(each_config('loss', [dict(type='A'), dict(type='B')]))
        [('loss.0', {'type': 'A'}), ('loss.1', {'type': 'B'})]
    """
    if isinstance(value, dict):
        yield key, value
    else:
        yield from ((f'{key}.{i}', part) for i, part in enumerate(value or ()))


def data_set_configs(key: str, value: dict | Sequence[dict] | None) -> Iterator[tuple[str, dict]]:
    """Yield the data sets themselves, also those within ``RepeatDataset`` or ``ConcatDataset``.

    Args:
        key (str): Where it stands in the config.
        value (dict | Sequence[dict] | None): What stands there.

    Example:
        >>> repeated = dict(type='RepeatDataset', times=2, dataset=dict(type='MoonDataset'))
        >>> list(data_set_configs('train', repeated))
        [('train.dataset', {'type': 'MoonDataset'})]
    """
    for part_key, part in each_config(key, value):
        inner = next((name for name in ('dataset', 'datasets') if name in part), None)
        if inner is None:
            yield part_key, part
        else:
            yield from data_set_configs(f'{part_key}.{inner}', part[inner])


def type_name(config: dict) -> str:
    """Name what a config builds, without the scope before it: ``mmseg.DiceLoss`` and the class itself are ``DiceLoss``."""
    kind = config.get('type')
    return kind.rsplit('.')[-1] if isinstance(kind, str) else getattr(kind, '__name__', '')
