from collections.abc import Sequence
from pathlib import Path

from custom_modules.usage_error import UsageError

from .dataset_part import dataset_part
from .part import Part
from .subject import Subject


def config_subject(config: str, options: Sequence[str] = ()) -> Subject:
    """List the files of a config's data sets, whatever is wrong with them.

    The data sets themselves say where their files lie, how they are split and what masks may hold: they are
    built, but not told to list their files, which would raise at the first defect. This imports torch and mmseg.

    Args:
        config (str): Config file of a segmentor.
        options (Sequence[str]): ``--cfg-options``, as ``KEY=VALUE``.

    Returns:
        Subject: Train, val and test, as far as the config has them.

    Raises:
        UsageError: If there is no such config or folder, it trains no segmentor, its data sets are of another
            kind, or they have different classes.
    """
    from mmengine.registry import init_default_scope

    from custom_modules.engine.command_line import common_parser, load_config

    arguments = [config, '--cfg-options', *options] if options else [config]
    cfg = load_config(common_parser('').parse_args(arguments))
    if cfg.get('default_scope') != 'mmseg':
        raise UsageError(
            f'{config} trains no segmentor, and only masks can be looked at: choose a config with '
            "default_scope='mmseg', such as configs/unet_baseline.py."
        )
    init_default_scope('mmseg')
    from mmseg.registry import DATASETS

    from custom_modules.datasets.indexed_mask_dataset import IndexedMaskDataset

    datasets, parts, everything, folders = [], [], [], {}
    for name in ('train', 'val', 'test'):
        options = (cfg.get(f'{name}_dataloader') or {}).get('dataset')
        if not options:
            continue
        kind = DATASETS.get(options.type) if isinstance(options.type, str) else options.type
        if not (isinstance(kind, type) and issubclass(kind, IndexedMaskDataset)):
            raise UsageError(
                f'the {name} data set of {config} is of type {options.type}, but only MoonDataset and '
                'IndexedMaskDataset say where their files lie: use one of them, or name two folders with --images and --masks.'
            )
        # the pipeline would only cost time, and may need libraries that looking does not
        dataset = DATASETS.build(dict(options, pipeline=[], lazy_init=True))
        datasets.append(dataset)
        part, whole = dataset_part(name, dataset, options.get('indices'), folders)
        parts.append(part)
        everything.append(whole)
    if not parts:
        raise UsageError(
            f'{config} has no data set: set train_dataloader, as in configs/_base_/datasets/moon_binary.py.'
        )
    return _subject(config, datasets, parts, everything)


def _subject(config, datasets, parts, everything) -> Subject:
    first = datasets[0]
    classes = first.metainfo['classes']
    for dataset, part in zip(datasets, parts, strict=True):
        if dataset.metainfo['classes'] != classes:
            raise UsageError(
                f'the data sets of {config} have different classes: {", ".join(classes)} in {parts[0].name}, '
                f'{", ".join(dataset.metainfo["classes"])} in {part.name}; set the same for all of them.'
            )
    used = {part.name: part for part in parts}
    same = {}
    # a test set that is the validation set is no leak, and is not counted twice
    if 'test' in used and 'val' in used and used['test'].files() == used['val'].files():
        same['test'] = 'val'
        del used['test']
    loose, unused = _left_over(parts, everything)
    return Subject(
        source=config,
        root=Path(first.data_root),
        classes=classes,
        palette=first.metainfo['palette'],
        load_size=first.load_size,
        parts=list(used.values()),
        loose=loose,
        unused=unused,
        same=same,
    )


def _left_over(parts: list[Part], everything: list[Part]) -> tuple[Part, tuple[str, ...]]:
    taken = {path for part in parts for pair in part.files() for path in pair}
    images, masks, unused = {}, {}, set()
    for whole in everything:
        for i, (image, mask) in zip(whole.ids, whole.files(), strict=True):
            if taken.isdisjoint((image, mask)) and image and mask:
                unused.add(i)
            elif image and not mask and image not in taken:
                images[str(image)] = image
            elif mask and not image and mask not in taken:
                masks[str(mask)] = mask
    return Part('no part', images, masks, everything[0].values), tuple(sorted(unused))
