import os
import random
from concurrent.futures import ThreadPoolExecutor

from custom_modules.preparation.progress import progress

from .class_weights import class_weights
from .defect import KINDS
from .find_defects import find_defects
from .pair_examiner import PairExaminer
from .part_statistics import PartStatistics
from .sample import Sample
from .subject import Subject

SIDES = (64, 128, 256)


def survey(subject: Subject, seed: int = 0, threads: int | None = None) -> tuple[dict, Sample]:
    """Look at every file of a data set once, and tell what is in it and what is wrong.

    Args:
        subject (Subject): The data set.
        seed (int): Seed of the sample. Defaults to 0.
        threads (int, optional): How many files are decoded at a time. By default one for each core, at most 8.

    Returns:
        tuple[dict, Sample]: What ``eda_summary.json`` holds, and the pairs to show.
    """
    sizes = [(side, side) for side in SIDES]
    if subject.load_size and subject.load_size not in sizes:
        sizes.append(subject.load_size)
    sample = Sample(subject, random.Random(seed))
    examine = PairExaminer(subject.palette, sizes, sample.candidates)
    parts = subject.parts + ([subject.loose] if subject.loose else [])
    statistics = {
        part.name: PartStatistics(subject.classes, sizes, subject.load_size)
        for part in subject.parts
    }
    whole = PartStatistics(subject.classes, sizes, subject.load_size)
    # a pair that two parts list by mistake is still read once
    jobs = {}
    for part in parts:
        for i, pair in zip(part.ids, part.files(), strict=True):
            jobs.setdefault(pair, (part.values, []))[1].append((part.name, i))
    examined = {part.name: {} for part in parts}
    # decoding releases the interpreter's lock, so threads help
    pool = ThreadPoolExecutor(threads or min(8, os.cpu_count() or 1))
    try:
        found = pool.map(lambda job: examine(*job[0], job[1][0]), jobs.items())
        found = progress(found, 'Looking', len(jobs))
        for ((image, _), (_, places)), facts in zip(jobs.items(), found, strict=True):
            if facts.sound:
                whole.add(facts)
                sample.add(image, facts.thumbnail)
            for name, i in places:
                if facts.sound:
                    statistics[name].add(facts)
                examined[name][i] = facts
            facts.forget()
    finally:
        # after Ctrl-C the files in hand are enough
        pool.shutdown(cancel_futures=True)
    defects = [defect.to_json() for defect in find_defects(subject, examined)]
    described = {name: found.summary() for name, found in statistics.items()}
    if len(described) > 1:
        described['all parts'] = whole.summary()
    return _summary(subject, seed, parts, defects, described, statistics), sample


def _summary(subject, seed, parts, defects, described, statistics) -> dict:
    training = statistics.get(subject.training)
    return dict(
        source=subject.source,
        root=str(subject.root),
        classes=list(subject.classes),
        load_size=subject.load_size,
        training_part=subject.training,
        same_parts=subject.same,
        seed=seed,
        sound=not any(KINDS[defect['kind']][0] for defect in defects),
        parts={
            part.name: dict(
                images=len(part.images),
                masks=len(part.masks),
                images_without_mask=len(part.images.keys() - part.masks.keys()),
                masks_without_image=len(part.masks.keys() - part.images.keys()),
                pairs=len(part.pairs),
                sound_pairs=described[part.name]['pairs'] if part.name in described else 0,
            )
            for part in parts
            if part.ids or part is not subject.loose
        },
        errors=[defect for defect in defects if KINDS[defect['kind']][0]],
        warnings=[defect for defect in defects if not KINDS[defect['kind']][0]],
        statistics=described,
        class_weights=class_weights(subject.classes, training.counts if training else []),
    )
