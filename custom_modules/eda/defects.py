"""Defects of a data set, by name."""

from collections import defaultdict
from collections.abc import Mapping

from custom_modules.eda.examine import PairFacts
from custom_modules.eda.sources import Part, Subject

# kind: whether it breaks or falsifies a training, what it is, what helps
KINDS = {
    'image_without_mask': (True, 'image without a mask', 'add the masks or remove the images'),
    'listed_without_file': (True, 'id in ann_file without a file', 'correct the list'),
    'unreadable_image': (True, 'unreadable image', 'copy or download them again'),
    'unreadable_mask': (True, 'unreadable mask', 'copy or download them again'),
    'unclear_pixels': (True, 'file that does not say what its pixels mean', 'save it as 8-bit PNG, a mask without palette and transparency'),
    'several_channels': (True, 'mask with several channels', 'save them with one channel that holds the class index of each pixel'),
    'stray_values': (True, 'mask with values that no class has', 'save them as PNG without smoothing, or name the values in label_map or ignore_index'),
    'wrong_palette': (True, "mask whose palette shows its indices in other classes' colours", 'save them as grey PNG with the class index of each pixel, or correct the palette of the config'),
    'turned_away': (True, 'mask that fits its image only before an EXIF tag turns one of them', 'remove the tag, as with `exiftool -Orientation= FILES`'),
    'size_mismatch': (True, 'mask of another size than its image', 'resize the mask with nearest neighbour'),
    'duplicate_across_parts': (True, 'same picture in several parts', 'keep one of them, or scores tell what was learned by heart'),
    'id_in_several_parts': (True, 'same id in several parts', 'list each id once, or rename what are different scenes'),
    'no_sound_pair': (True, 'part without a sound pair', 'add pairs, or mend the defects'),
    'no_object': (True, 'part without a pixel of any class but the first', 'check the masks, or choose another split'),
    'mask_without_image': (False, 'mask without an image', 'they are not used'),
    'empty_mask': (False, 'empty mask: nothing is drawn, or all is ignored', 'check that there is nothing to see in the image'),
    'background_only_mask': (False, 'mask of background only (empty ones too)', 'check that there is nothing to see in the image'),
    'duplicate_within_part': (False, 'same picture twice in a part', 'it counts twice'),
    'perhaps_turned': (False, 'mask whose EXIF tag turns it otherwise than its image', 'see on the sample sheet whether it was drawn upright'),
    'absent_class': (False, 'class without a pixel in a part', 'it can neither be learned nor scored there'),
    'pair_in_no_part': (False, 'pair that no part takes', 'they are not used'),
}  # fmt: skip


def find_defects(
    subject: Subject, examined: Mapping[str, dict[str, PairFacts]]
) -> tuple[list[dict], list[dict]]:
    """Gather every defect of a data set, by what was found on each id of each part; nothing is raised, and none hides another.

    Returns:
        tuple[list[dict], list[dict]]: Those that break or falsify a training, and the others: of each ``kind`` and ``part``
        the ``files`` with their details and their ``count``, ``what`` it is, and the ``remedy``.
    """
    found = defaultdict(list)
    parts = subject.parts + ([subject.loose] if subject.loose else [])
    for part in parts:
        _of_files(found, subject, part, examined[part.name])
    for part in subject.parts:
        _of_part(found, subject, part, examined[part.name].values())
    _shared(found, subject, examined)
    if subject.unused:
        found['pair_in_no_part', 'no part'] = list(subject.unused)
    errors, warnings = [], []
    for wanted, (breaks, what, remedy) in KINDS.items():
        (errors if breaks else warnings).extend(
            dict(kind=kind, part=part, files=files, what=what, remedy=remedy, count=len(files))
            for (kind, part), files in found.items()
            if kind == wanted
        )
    return errors, warnings


def _of_files(found, subject: Subject, part: Part, facts: dict[str, PairFacts]) -> None:
    for i in part.ids:
        image, mask = part.images.get(i), part.masks.get(i)
        if mask is None:
            found['image_without_mask', part.name].append(subject.label(image))
        elif image is None:
            found['mask_without_image', part.name].append(subject.label(mask))
        for kind, path, details in facts[i].defects:
            found[kind, part.name].append(f'{subject.label(path)} ({details})')
        if facts[i].sound and not facts[i].counts[1:].any():
            found['background_only_mask', part.name].append(subject.label(mask))
            if not facts[i].drawn:
                found['empty_mask', part.name].append(subject.label(mask))
    if part.absent:
        found['listed_without_file', part.name] = list(part.absent)


def _of_part(found, subject: Subject, part: Part, facts) -> None:
    counts = [pair.counts for pair in facts if pair.sound]
    if not counts:
        found['no_sound_pair', part.name] = [f'{len(part.pairs)} pairs, none of them sound']
        return
    pixels = sum(counts)
    if not pixels[1:].any():
        found['no_object', part.name] = [f'{len(counts)} masks']
        return
    absent = [name for name, n in zip(subject.classes, pixels, strict=True) if not n]
    if absent:
        found['absent_class', part.name] = absent


def _shared(found, subject: Subject, examined) -> None:
    """Find pictures and ids that are there more than once."""
    same_pixels, same_id = defaultdict(dict), defaultdict(list)
    for part in subject.parts:
        for i in part.ids:
            same_id[i].append(part.name)
        for i in part.pairs:
            if digest := examined[part.name][i].digest:
                # one file that two parts list is one id in two parts
                same_pixels[digest].setdefault(part.images[i], part.name)
    for i, names in sorted(same_id.items()):
        if len(names) > 1:
            found['id_in_several_parts', ', '.join(names)].append(i)
    for files in same_pixels.values():
        if len(files) > 1:
            names = list(dict.fromkeys(files.values()))
            across = len(names) > 1
            listed = ' = '.join(
                f'{name}: {subject.label(path)}' if across else subject.label(path)
                for path, name in files.items()
            )
            kind = 'duplicate_across_parts' if across else 'duplicate_within_part'
            found[kind, ', '.join(names)].append(listed)
