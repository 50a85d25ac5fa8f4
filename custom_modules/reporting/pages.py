"""The report as pages: Markdown with its pictures, and one HTML file."""

import base64
import re
from pathlib import Path

import jinja2
import numpy as np

from custom_modules.evaluation.confusion import draw_confusion
from custom_modules.reporting import plots
from custom_modules.reporting.comparison import Comparison
from custom_modules.reporting.paired import RESAMPLES
from custom_modules.reporting.report_data import file_name
from custom_modules.visualization.drawing import ERROR_COLOURS

TEMPLATES = Path(__file__).parent / 'templates'


def report_pages(comparison: Comparison, data: dict, title: str) -> dict[str, bytes]:
    """Make the files of a report, by their paths: a Markdown page with its pictures, and an HTML page that needs no other file.

    Args:
        comparison (Comparison): The runs.
        data (dict): Of :func:`comparison_data`; every number on the pages is from here.
        title (str): The heading.
    """
    pages = jinja2.Environment(
        loader=jinja2.FileSystemLoader(TEMPLATES),
        autoescape=lambda name: name is not None and '.html' in name,
        trim_blocks=True,
        lstrip_blocks=True,
        undefined=jinja2.StrictUndefined,
    )
    pages.filters['cell'] = lambda text: re.sub(r'([\\`*_<>\[\]|])', r'\\\1', str(text))
    pictures = _pictures(comparison, data)
    values = dict(
        data=data,
        title=title,
        provenance=provenance(data),
        inline={name: _inline(picture) for name, picture in pictures.items()},
        networks=_networks(data),
    )
    if comparison.groups:
        rows = []
        for number, (name, cells) in enumerate(plots.gallery(comparison).items()):
            file = f'{number:02d}_{file_name(name)}.png'
            pictures[file] = plots.draw_models(cells)
            shown = [
                dict(caption=caption, src=_inline(plots.png(image))) for caption, image in cells
            ]
            rows.append(dict(name=name, file=file, cells=shown))
        several = any(len(arm['runs']) > 1 for arm in data['arms'])
        colours = zip(ERROR_COLOURS, ('blue', 'yellow', 'red', 'violet'), strict=True)
        values |= dict(
            gallery=rows,
            score_names=_score_names(data),
            notes=report_notes(comparison, data),
            decided=[arm for arm in data['arms'] if (arm['against_first'] or {}).get('decisive')],
            legend="Each model's errors over the darkened image, at the resolution of the score"
            f'{"; of several seeds the lowest" if several else ""}: '
            f'{", ".join(f"{name} {colour}" for name, colour in colours)}.',
            colours=ERROR_COLOURS,
        )
    files = {f'pictures/{name}': picture for name, picture in pictures.items()}
    for page in ('report.md', 'report.html'):
        files[page] = pages.get_template(f'{page}.jinja').render(values).encode()
    return files


def _pictures(comparison: Comparison, data: dict) -> dict[str, bytes]:
    """Draw networks, curves and confusion matrices, by their names."""
    pictures = {}
    results = [*comparison.groups, *comparison.classifiers]
    for result, entry in zip(results, [*data['arms'], *data['classifiers']], strict=True):
        picture = plots.draw_architecture(result.architecture, entry['label'])
        pictures[entry['architecture']['picture']] = picture
    if comparison.groups:
        runs, labels = [], []
        for group, label in zip(comparison.groups, comparison.labels(), strict=True):
            own = [run for result in group.results for run in result.runs]
            runs, labels = runs + own, labels + [label] * len(own)
        pictures['learning_curves.png'] = plots.draw_learning_curves(runs, labels)
    if comparison.classifiers:
        runs = [result.run for result in comparison.classifiers]
        pictures['classifier_curves.png'] = plots.draw_learning_curves(runs)
    for entry in data['classifiers']:
        shares = np.array(entry['confusion_matrix'], float)
        pictures[entry['picture']] = draw_confusion(shares, [c['name'] for c in entry['classes']])
    return pictures


def _networks(data: dict) -> list[dict]:
    """The networks that differ: each with the labels of all that have it."""
    found: dict[str, dict] = {}
    for entry in (*data['arms'], *data['classifiers']):
        network = entry['architecture']
        same = repr((network['name'], network['size'], network['stages']))
        found.setdefault(same, dict(network, labels=[]))['labels'].append(entry['label'])
    return list(found.values())


def report_notes(comparison: Comparison, data: dict) -> list[str]:
    """Say in words what the table's numbers are."""
    test, arms, score = data['test_data'], data['arms'], data['score']
    count = len(test['images'])
    which = 'best' if data['checkpoints'] == 'best' else "last epoch's"
    notes = [
        f'Percent, at {test["width"]}x{test["height"]}, pixels of all {count} test images counted '
        f"together, of each run's {which} checkpoint.",
        "image_Dice is the mean of the images' own Dice: one without the class counts 100 if nothing of it is invented, else "
        '0. object_F1 counts objects above the label limit: found if half of it is, invented if less than a quarter is true.',
    ]
    if any(run['folds'] for arm in arms for run in arm['runs']):
        notes.append(
            'Folds of one seed are put together: every image is scored once, by a model that has not seen it.'
        )
    chosen = [[result.chosen_on_test for result in group.results] for group in comparison.groups]
    biased = [arm['label'] for arm, own in zip(arms, chosen, strict=True) if any(own)]
    if biased:
        whose = '' if len(biased) == len(arms) else f' of {", ".join(biased)}'
        notes.append(
            f'The checkpoints{whose} were chosen on these same images, so that the scores are a little too good: the last '
            f"epoch's {score} stands beside them."
        )
    if len(biased) < len(arms):
        notes.append(f"The last epoch's {score} is that of the validation part, as logged.")
    if comparison.options:
        given = ', '.join(f'{key}={value}' for key, value in comparison.options.items())
        notes.append(f'Scored with {given} in every config.')
    if any(len(arm['runs']) > 1 for arm in arms):
        notes.append('± is the standard deviation over seeds (n - 1).')
    if any(len(arm['runs']) == 1 for arm in arms):
        notes.append(
            'A row without ± is of one seed: how far another would be from it is not known.'
        )
    if count > 1:
        notes.append(
            f'Brackets are 95 % intervals over images ({RESAMPLES:,} bootstrap resamples, each with the mean over the seeds); they '
            'say nothing of other seeds.'
        )
    if len(arms) > 1:
        paired = ', paired: both sides have the same resamples' if count > 1 else ''
        notes.append(
            f'The difference to the first row is that of the means over seeds{paired}; '
            "p is Wilcoxon's signed-rank test over the images' own scores, not corrected for several comparisons."
        )
    notes.append(
        'GFLOPs: multiply-additions of one image, each counted once. images/s: the network alone, batches of '
        f'{arms[0]["batch"]} on {arms[0]["device"]} ({data["machine"]}), one model after the other.'
    )
    return notes


def provenance(data: dict) -> str:
    """Say when and with what a report was made."""
    versions = data['software'].items()
    software = ', '.join(f'{name} {version}' for name, version in versions if version)
    made = f'Made by tools/report.py on {data["date"]} with {software}.'
    if data['arms']:
        made += f' Test data: fingerprint {data["test_data"]["fingerprint"]}.'
    return made


def _score_names(data: dict) -> list[str]:
    objects = data['test_data']['classes'][1:]
    own = [f'{name}_{score}' for score in ('Dice', 'IoU') for name in objects]
    others = [f'{name}_{score}' for score in ('image_Dice', 'object_F1') for name in objects]
    return [*own, *others, 'mDice', 'mIoU', 'aAcc']


def _inline(picture: bytes) -> str:
    return 'data:image/png;base64,' + base64.b64encode(picture).decode()
