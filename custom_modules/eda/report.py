"""Surveys a data set, and writes the report."""

import json
import random
from collections.abc import Iterable, Sequence
from pathlib import Path

import jinja2
import numpy as np

from custom_modules.datasets.masks import class_weights
from custom_modules.eda import plots
from custom_modules.eda.examine import PairFacts, examine_pair, find_defects
from custom_modules.eda.sources import Subject
from custom_modules.eda.statistics import LEVELS, summarize
from custom_modules.utils.errors import first_five
from custom_modules.utils.files import write_atomically
from custom_modules.utils.tables import in_threads, markdown_rows

TEMPLATES = jinja2.Environment(
    loader=jinja2.FileSystemLoader(Path(__file__).parent / 'templates'),
    undefined=jinja2.StrictUndefined,
    trim_blocks=True,
    keep_trailing_newline=True,
)
SHOWN = 12  # pairs on the sample sheet


def _numbers(weights) -> str:
    return ', '.join(f'{weight:.3g}' for weight in np.atleast_1d(weights))


def markdown_report(summary: dict, lines: Iterable[str]) -> str:
    """Write ``eda_summary.json`` as a Markdown page with links to the pictures; ``lines`` come first."""
    head = f'class_weight of {", ".join(summary["classes"])}'
    weights = {key: w for key, w in summary['class_weights'].items() if w is not None and key != 'reason'}
    return TEMPLATES.get_template('page.md.jinja').render(
        summary,
        lines=lines,
        part_rows=[
            {'part': name} | {key.replace('_', ' '): n for key, n in part.items()} for name, part in summary['parts'].items()
        ],
        weight_rows=[{'rule': key.replace('_', ' '), head: _numbers(w)} for key, w in weights.items()],
        sizes=lambda found: [f'{size} ({n})' for size, n in found['image_sizes'].items()],
        quantile_rows=lambda found: _quantile_rows(found, summary['load_size']),
        squeezed_rows=_squeezed_rows,
        first_five=first_five,
        table=_table,
    )


def _table(rows: Sequence[dict], heads: dict[str, str] | None = None) -> str:
    """Lay out rows as a Markdown table: all columns, or those that ``heads`` names; of a list the first five items."""
    if not rows:
        return 'None.'
    heads = heads or {key: key for key in rows[0]}
    cells = ([first_five(row[key]) if isinstance(row[key], list) else row[key] for key in heads] for row in rows)
    return markdown_rows(list(heads.values()), cells)


def _quantile_rows(found: dict, load_size: Sequence[int] | None) -> list[dict]:
    rows = []
    for row in found['objects']:
        rows.append((row['name'], 'objects per image', row['per_image']))
        rows.append((row['name'], f'pixels of {row["count"]} objects', row['pixels']))
        if small := row['at_load_size']:
            rows.append((row['name'], f'pixels at {load_size[0]}x{load_size[1]}', small['pixels']))
    rows.append(('', "images' mean brightness", found['intensity']['image_brightness']))
    return [
        {'class': name, 'quantiles of': what} | {f'{level} %': (spread or {}).get(str(level)) for level in LEVELS}
        for name, what, spread in rows
    ]


def _squeezed_rows(found: dict) -> list[dict]:
    rows = []
    for size, scores in found['squeezed'].items():
        row = {'size': size}
        for key in ('Dice', 'IoU'):
            row |= {f'{score["name"]} {key}': score[key.lower()] for score in scores['classes'][1:]}
        rows.append(dict(row, mDice=scores['mDice'], mIoU=scores['mIoU']))
    return rows


def survey(subject: Subject, seed: int = 0) -> tuple[dict, list[tuple[str, np.ndarray]]]:
    """Read every file of a data set once.

    Returns the content of ``eda_summary.json``, and the caption and picture of up to twelve random pairs, drawn by the seed.
    """
    sizes = [(side, side) for side in (64, 128, 256)]
    if subject.load_size and subject.load_size not in sizes:
        sizes.append(subject.load_size)
    parts = subject.parts + ([subject.loose] if subject.loose else [])
    captions = {part.images[i]: f'{part.name}: {part.images[i].name}' for part in subject.parts for i in part.pairs}
    # drawn in advance, so that no file is read twice; twice as many as are shown, since some may have defects
    drawn = random.Random(seed).sample(sorted(captions), min(2 * SHOWN, len(captions)))
    # a pair that two parts list by mistake is read once
    jobs = {}
    for part in parts:
        for pair in part.files():
            jobs.setdefault(pair, part.values)

    def examine(job: tuple) -> PairFacts:
        pair, values = job
        return examine_pair(*pair, values, subject.palette, sizes, pair[0] in drawn)

    facts_of = dict(zip(jobs, in_threads(examine, jobs.items(), 'Looking'), strict=True))
    examined = {part.name: dict(zip(part.ids, map(facts_of.get, part.files()), strict=True)) for part in parts}
    pictures = {image: facts.thumbnail for (image, _), facts in facts_of.items() if facts.thumbnail is not None}
    shown = [(captions[image], pictures[image]) for image in drawn if image in pictures]
    sound = {part.name: [facts for facts in examined[part.name].values() if facts.sound] for part in subject.parts}
    common = subject.classes, sizes, subject.load_size
    described = {name: summarize(pairs, *common) for name, pairs in sound.items()}
    if len(described) > 1:
        described['all parts'] = summarize([facts for facts in facts_of.values() if facts.sound], *common)
    errors, warnings = find_defects(subject, examined)
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
        class_weights=class_weights(subject.classes, [facts.counts for facts in sound.get(subject.training, [])]),
    )
    return summary, shown[:SHOWN]


def write_report(out: Path, subject: Subject, summary: dict, shown: Sequence[tuple[str, np.ndarray]]) -> list[str]:
    """Write the pictures, the page and, last of all, ``eda_summary.json``; return a few sentences that summarize it."""
    classes, palette, load_size = subject.classes, subject.palette, subject.load_size
    statistics, pixel = summary['statistics'], None
    everything = list(statistics.values())[-1]
    training = statistics.get(summary['training_part'], everything)
    if load_size and (size := next(iter(training['image_sizes']), None)):
        width, height = map(int, size.split('x'))
        pixel = width * height / (load_size[0] * load_size[1])
    lines = TEMPLATES.get_template('lines.jinja').render(summary, first_five=first_five, numbers=_numbers).splitlines()
    numbers = json.dumps(summary, indent=1, allow_nan=False, ensure_ascii=False)
    contents = {
        'class_distribution.png': plots.draw_class_distribution(statistics, classes),
        'image_sizes.png': plots.draw_image_sizes(everything['image_sizes']),
        'object_sizes.png': plots.draw_object_sizes(training['objects'], palette, pixel, load_size),
        'sample_sheet.png': plots.draw_sample_sheet(shown, classes, palette, summary['seed']),
        'eda_summary.md': markdown_report(summary, lines).encode(errors='backslashreplace'),
        'eda_summary.json': numbers.encode(errors='backslashreplace'),
    }
    for name, content in contents.items():
        write_atomically(out / name, content)
    return lines
