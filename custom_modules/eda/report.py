"""The whole survey and its report."""

import json
import os
import random
from collections.abc import Iterable, Sequence
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path

import numpy as np

from custom_modules.datasets.masks import class_weights
from custom_modules.datasets.pairs import first_five
from custom_modules.eda import plots
from custom_modules.eda.defects import find_defects, summary_lines
from custom_modules.eda.examine import PairFacts, examine_pair
from custom_modules.eda.sources import Subject
from custom_modules.eda.statistics import LEVELS, PartStatistics, Sample
from custom_modules.utils.files import write_atomically
from custom_modules.utils.tables import markdown_rows, progress


def markdown_report(summary: dict, lines: Iterable[str]) -> str:
    """Write what was found (``eda_summary.json``) as a Markdown page, which links the pictures; ``lines`` come first."""
    page = [f'# The data of {summary["source"]}', '\n'.join(f'- {line}' for line in lines)]
    page += _integrity(summary)
    weights = summary['class_weights']
    for name, found in summary['statistics'].items():
        page += _part(name, found, summary['load_size'])
    page += [
        '## Class weights',
        f'From the sound masks of {summary["training_part"]} at full size.',
    ]
    if weights['reason']:
        page.append(f'None: {weights["reason"]}')
    else:
        rows = [[k.replace('_', ' '), _numbers(w)] for k, w in weights.items() if w is not None]
        page.append(
            markdown_rows(['rule', f'class_weight of {", ".join(summary["classes"])}'], rows)
        )
        if 'positive_weight' in weights:
            page.append(
                '`positive weight` is for a head of one channel: CrossEntropyLoss(use_sigmoid=True).'
            )
    pictures = dict(class_distribution='Classes', image_sizes='Image sizes')
    pictures |= dict(object_sizes='Object sizes', sample_sheet='Random pairs')
    page += [f'## {title}\n\n![{title}]({name}.png)' for name, title in pictures.items()]
    return '\n\n'.join(page) + '\n'


def _integrity(summary: dict) -> list[str]:
    parts = summary['parts']
    heads = ['part', *(key.replace('_', ' ') for key in next(iter(parts.values())))]
    rows = [[name, *found.values()] for name, found in parts.items()]
    lines = ['## Integrity', markdown_rows(heads, rows)]
    lines += [f'{a} equals {b} and is not counted twice.' for a, b in summary['same_parts'].items()]
    titles = dict(errors='Defects that break or falsify a training', warnings='Worth a look')
    heads = ['what', 'part', 'count', 'which', 'what to do']
    for key, title in titles.items():
        rows = [
            [d['what'], d['part'], d['count'], first_five(d['files']), d['remedy']]
            for d in summary[key]
        ]
        lines += [f'### {title}', markdown_rows(heads, rows) if rows else 'None.']
    if any(len(d['files']) > 5 for d in summary['errors'] + summary['warnings']):
        lines.append('All names are in [eda_summary.json](eda_summary.json).')
    return lines


def _part(name: str, found: dict, load_size: Sequence[int] | None) -> list[str]:
    lines = [f'## {name}: {found["pairs"]} sound pairs']
    if not found['pairs']:
        return lines
    sizes = [f'{size} ({count})' for size, count in found['image_sizes'].items()]
    lines.append(
        f'Image sizes: {first_five(sizes)}. Pixels without a class: {found["ignored_percent"]:.2f} %.'
    )
    rows = [[c['name'], c['pixels'], c['share_percent'], c['masks']] for c in found['classes']]
    lines.append(markdown_rows(['class', 'pixels', 'share %', 'masks with it'], rows))
    heads = [f'{level} %' for level in LEVELS]
    at = f' at {load_size[0]}x{load_size[1]}' if load_size else None
    rows = []
    for row in found['objects']:
        rows.append([row['name'], 'objects per image', *_spread(row['per_image'])])
        rows.append([row['name'], f'pixels of {row["count"]} objects', *_spread(row['pixels'])])
        if row['at_load_size']:
            small = row['at_load_size']
            rows.append([row['name'], f'pixels{at}', *_spread(small['pixels'])])
            lines.append(
                f'{small["below_one_pixel_percent"]:.2f} % of the {row["name"]} objects are smaller than one pixel{at}.'
            )
    rows.append(['', "images' mean brightness", *_spread(found['intensity']['image_brightness'])])
    lines.append(markdown_rows(['class', 'quantiles of', *heads], rows))
    light = found['intensity']
    keys = ('mean', 'std', 'min', 'max', 'at_0_percent', 'at_255_percent')
    rows = [[c['name'], *(c[key] for key in keys)] for c in light['channels']]
    lines.append(
        markdown_rows(['channel', 'mean', 'std', 'min', 'max', 'at 0 %', 'at 255 %'], rows)
    )
    lines.append(
        f'Black pixels (0 in all channels): {light["black_percent"]:.2f} %; blown ones (255 in any): {light["blown_percent"]:.2f} %.'
    )
    lines.append(
        'Resolution ceiling: what a prediction at that size scores at full size (%) if it equals the true mask in '
        'every pixel, which is squeezed and stretched by nearest pixel. Scores at the smaller size itself have no '
        'such limit; cells that are voted on may gain a few tenths.'
    )
    names = [c['name'] for c in found['classes'][1:]]
    rows = []
    for size, scores in found['squeezed'].items():
        own = [c[key] for key in ('dice', 'iou') for c in scores['classes'][1:]]
        rows.append([size, *own, scores['mDice'], scores['mIoU']])
    heads = ['size', *(f'{n} Dice' for n in names), *(f'{n} IoU' for n in names), 'mDice', 'mIoU']
    lines.append(markdown_rows(heads, rows))
    return lines


def _spread(quantiles: dict | None) -> list:
    return [None] * len(LEVELS) if quantiles is None else list(quantiles.values())


def _numbers(weights) -> str:
    return ', '.join(f'{weight:.3g}' for weight in np.atleast_1d(weights))


def survey(subject: Subject, seed: int = 0) -> tuple[dict, Sample]:
    """Look at every file of a data set once: what ``eda_summary.json`` holds, and the pairs to show, drawn by the seed."""
    sizes = [(side, side) for side in (64, 128, 256)]
    if subject.load_size and subject.load_size not in sizes:
        sizes.append(subject.load_size)
    sample = Sample(subject, random.Random(seed))
    parts = subject.parts + ([subject.loose] if subject.loose else [])
    given = subject.classes, sizes, subject.load_size
    statistics = {part.name: PartStatistics(*given) for part in subject.parts}
    whole = PartStatistics(*given)
    # a pair that two parts list by mistake is still read once
    jobs = {}
    for part in parts:
        for i, pair in zip(part.ids, part.files(), strict=True):
            jobs.setdefault(pair, (part.values, []))[1].append((part.name, i))
    examined = {part.name: {} for part in parts}

    def examine(job: tuple) -> PairFacts:
        pair, (values, _) = job
        shown = pair[0] in sample.candidates
        return examine_pair(*pair, values, subject.palette, sizes, shown)

    # decoding releases the interpreter's lock, so threads help
    pool = ThreadPoolExecutor(min(8, os.cpu_count() or 1))
    try:
        found = progress(pool.map(examine, jobs.items()), 'Looking', len(jobs))
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
    errors, warnings = find_defects(subject, examined)
    described = {name: found.summary() for name, found in statistics.items()}
    if len(described) > 1:
        described['all parts'] = whole.summary()
    training = statistics.get(subject.training)
    summary = dict(
        source=subject.source,
        root=str(subject.root),
        classes=list(subject.classes),
        load_size=subject.load_size,
        training_part=subject.training,
        same_parts=subject.same,
        seed=seed,
        sound=not errors,
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
        errors=errors,
        warnings=warnings,
        statistics=described,
        class_weights=class_weights(subject.classes, training.counts if training else []),
    )
    return summary, sample


def write_report(out: Path, subject: Subject, summary: dict, sample: Sample) -> list[str]:
    """Write the pictures, the page and, when all else is there, the summary; return its most important lines."""
    classes, palette = subject.classes, subject.palette
    statistics = summary['statistics']
    everything = list(statistics.values())[-1]
    training = statistics.get(summary['training_part'], everything)
    load_size, pixel = subject.load_size, None
    if load_size and (size := next(iter(training['image_sizes']), None)):
        width, height = map(int, size.split('x'))
        pixel = width * height / (load_size[0] * load_size[1])
    lines = summary_lines(summary)
    numbers = json.dumps(summary, indent=1, allow_nan=False, ensure_ascii=False)
    contents = {
        'class_distribution.png': plots.draw_class_distribution(statistics, classes),
        'image_sizes.png': plots.draw_image_sizes(everything['image_sizes']),
        'object_sizes.png': plots.draw_object_sizes(training['objects'], palette, pixel, load_size),
        'sample_sheet.png': plots.draw_sample_sheet(
            sample.shown(), classes, palette, summary['seed']
        ),
        'eda_summary.md': markdown_report(summary, lines).encode(errors='backslashreplace'),
        'eda_summary.json': numbers.encode(errors='backslashreplace'),
    }
    for name, content in contents.items():
        write_atomically(out / name, content)
    return lines
