from collections import defaultdict
from collections.abc import Mapping

from .defect import KINDS, Defect
from .pair_facts import PairFacts
from .part import Part
from .subject import Subject


def find_defects(subject: Subject, examined: Mapping[str, dict[str, PairFacts]]) -> list[Defect]:
    """Gather every defect of a data set; nothing is raised, and none hides another.

    Args:
        subject (Subject): The data set.
        examined (Mapping[str, dict[str, PairFacts]]): What was found on each id of each part.

    Returns:
        list[Defect]: First those that break a training.
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
    kinds = list(KINDS)
    defects = [Defect(kind, part, files) for (kind, part), files in found.items()]
    return sorted(defects, key=lambda defect: kinds.index(defect.kind))


def _of_files(found, subject: Subject, part: Part, facts: dict[str, PairFacts]) -> None:
    for i in part.ids:
        image, mask = part.images.get(i), part.masks.get(i)
        if mask is None:
            found['image_without_mask', part.name].append(subject.label(image))
        elif image is None:
            found['mask_without_image', part.name].append(subject.label(mask))
        for kind, details in facts[i].defects:
            path = image if kind == 'unreadable_image' else mask
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
