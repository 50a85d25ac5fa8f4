from collections.abc import Iterable, Sequence

from custom_modules.datasets.find_files import first_five
from custom_modules.evaluation.text_table import text_table

from .quantiles import LEVELS

PARTS = ('images', 'masks', 'images_without_mask', 'masks_without_image', 'pairs', 'sound_pairs')


def markdown_report(summary: dict, verdict: Iterable[str]) -> str:
    """Write what was found as a page to read.

    Args:
        summary (dict): What ``eda_summary.json`` holds.
        verdict (Iterable[str]): The most important in a few lines.

    Returns:
        str: Markdown, which links the pictures beside it.
    """
    page = [f'# The data of {summary["source"]}', '\n'.join(f'- {line}' for line in verdict)]
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
        page.append(_table(['rule', f'class_weight of {", ".join(summary["classes"])}'], rows))
        if 'positive_weight' in weights:
            page.append(
                '`positive weight` is for a head of one channel: CrossEntropyLoss(use_sigmoid=True).'
            )
    pictures = dict(
        class_distribution='Classes',
        image_sizes='Image sizes',
        object_sizes='Object sizes',
        sample_sheet='Random pairs',
    )
    page += [f'## {title}\n\n![{title}]({name}.png)' for name, title in pictures.items()]
    return '\n\n'.join(page) + '\n'


def _integrity(summary: dict) -> list[str]:
    rows = [[name, *(part[key] for key in PARTS)] for name, part in summary['parts'].items()]
    lines = ['## Integrity', _table(['part', *(key.replace('_', ' ') for key in PARTS)], rows)]
    lines += [
        f'{part} equals {other} and is not counted twice.'
        for part, other in summary['same_parts'].items()
    ]
    for title, key in (
        ('Defects that break or falsify a training', 'errors'),
        ('Worth a look', 'warnings'),
    ):
        lines.append(f'### {title}')
        rows = [
            [d['what'], d['part'], d['count'], first_five(d['files']), d['remedy']]
            for d in summary[key]
        ]
        heads = ['what', 'part', 'count', 'which', 'what to do']
        lines.append(_table(heads, rows) if rows else 'None.')
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
    lines.append(_table(['class', 'pixels', 'share %', 'masks with it'], rows))
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
    lines.append(_table(['class', 'quantiles of', *heads], rows))
    light = found['intensity']
    keys = ('mean', 'std', 'min', 'max', 'at_0_percent', 'at_255_percent')
    rows = [[c['name'], *(c[key] for key in keys)] for c in light['channels']]
    lines.append(_table(['channel', 'mean', 'std', 'min', 'max', 'at 0 %', 'at 255 %'], rows))
    lines.append(
        f'Black pixels (0 in all channels): {light["black_percent"]:.2f} %; blown ones (255 in any): {light["blown_percent"]:.2f} %.'
    )
    lines.append(
        'Resolution ceiling: what a prediction at that size scores at full size (%) if it equals the true mask in '
        'every pixel, which is squeezed and stretched by nearest pixel. Scores at the smaller size itself have no '
        'such limit; cells that are voted on may gain a few tenths.'
    )
    names = [c['name'] for c in found['classes'][1:]]
    rows = [
        [
            size,
            *(c['dice'] for c in s['classes'][1:]),
            *(c['iou'] for c in s['classes'][1:]),
            s['mDice'],
            s['mIoU'],
        ]
        for size, s in found['squeezed'].items()
    ]
    heads = ['size', *(f'{n} Dice' for n in names), *(f'{n} IoU' for n in names), 'mDice', 'mIoU']
    lines.append(_table(heads, rows))
    return lines


def _spread(quantiles: dict | None) -> list:
    return [None] * len(LEVELS) if quantiles is None else list(quantiles.values())


def _numbers(weights) -> str:
    return ', '.join(
        f'{weight:.3g}' for weight in (weights if isinstance(weights, list) else [weights])
    )


def _table(columns: Sequence[str], rows: Iterable[Sequence]) -> str:
    """Lay out a table; a name may hold what Markdown ends a cell with."""
    escaped = [[c.replace('|', r'\|') if isinstance(c, str) else c for c in row] for row in rows]
    return text_table('', [column.replace('|', r'\|') for column in columns], escaped).strip()
