from collections.abc import Sequence
from pathlib import Path

from custom_modules.datasets.find_files import find_files
from custom_modules.datasets.hashed_split import hashed_split
from custom_modules.datasets.listed_ids import listed_ids

from .mask_values import MaskValues
from .part import Part

# each folder is read once, and its warning about other files is given once
Folders = dict[tuple[str, str, str], dict[str, Path]]


def dataset_part(
    name: str, dataset, indices: int | Sequence[int] | None, folders: Folders
) -> tuple[Part, Part]:
    """List the files of one data set, also those that lack their partner.

    Args:
        name (str): Name of the part.
        dataset (IndexedMaskDataset): The data set, built with ``lazy_init=True``.
        indices (int or Sequence[int], optional): mmengine's choice among the pairs.
        folders (dict): The files of each folder that was read before; it is filled.

    Returns:
        tuple[Part, Part]: The part, and everything that its folders hold.

    Raises:
        UsageError: If a folder or list is missing, or holds no such file.
    """
    from custom_modules.datasets.moon_dataset import MoonDataset

    image_names = (dataset.data_prefix['img_path'], dataset.prefixes[0], dataset.img_suffix)
    mask_names = (dataset.data_prefix['seg_map_path'], dataset.prefixes[1], dataset.seg_map_suffix)
    for names, what in ((image_names, 'images'), (mask_names, 'masks')):
        if names not in folders:
            folders[names] = find_files(*names, what, dataset.remedy)
    # MoonDataset lets no mask mix the two ways to write rock
    sets = ({0, 255}, {0, 1}) if isinstance(dataset, MoonDataset) else None
    values = MaskValues(dataset.masks.labels, sets)
    everything = Part('no part', folders[image_names], folders[mask_names], values)
    ids, absent = _ids(dataset, everything)
    pairs = set(everything.pairs)
    whole = dataset.train_share([i for i in ids if i in pairs])
    # what lacks its partner stays, to be named
    ids = [i for i in ids if i in whole or i not in pairs]
    if indices is not None:
        if isinstance(indices, int):
            ids = whole[:indices] if indices >= 0 else whole[indices:]
        else:
            ids = [whole[i] for i in indices if -len(whole) <= i < len(whole)]
    chosen = set(ids)
    images, masks = (
        {i: path for i, path in files.items() if i in chosen}
        for files in (everything.images, everything.masks)
    )
    return Part(name, images, masks, values, absent), everything


def _ids(dataset, everything: Part) -> tuple[list[str], tuple[str, ...]]:
    if dataset.ann_file:
        path = Path(dataset.ann_file)
        wanted = set(path.read_text(encoding='utf-8').split()) if path.is_file() else set()
        known = sorted(wanted.intersection(everything.ids))
        if not known:
            # says whether there is no list, it is empty, or its names are not the ids
            listed_ids(path, everything.ids, dataset.data_root)
        return known, tuple(sorted(wanted.difference(known)))
    if dataset.own_folders:
        return everything.ids, ()
    # as find_pairs does before it is cut: whole pairs only
    return hashed_split(everything.pairs, dataset.split, **dataset.fractions), ()
