"""A report: plain values, which ``results.json`` holds; of them a Markdown page with its pictures, and one HTML file.

Percent unless something else is said; what is undefined or not known is null. The fields:

- ``date``, ``software`` (versions), ``machine``, ``options`` (``--cfg-options``), ``checkpoints`` (``best`` or ``last``)
- ``left_out``, ``doubts``: a reason for each folder that was not compared, or was and is odd
- ``classifiers``: of each run ``label``, ``config``, ``seed``, ``best_epoch`` and ``epochs``, its cost (as below, with
  ``height`` and ``width`` of the input), everything of ``ClassificationReport``, ``picture`` (of the confusion matrix),
  ``architecture``
- ``arms``: the segmentors, one entry for each config. With any of them also ``score`` (what the table compares by),
  ``compared`` (the scores that have intervals) and ``test_data`` (``images``, ``height``, ``width``, ``classes``, ``fingerprint``)

An entry of ``arms``:

- ``label``, ``config`` (its name), ``source`` (its path in the repository), ``link`` (to it, from the report's folder),
  ``changes`` (what it changes in its base)
- its cost: ``parameters``, ``flops`` (multiply-additions of one image), ``images_per_second``, ``batch``, ``device``
- ``mean``, ``spread``: of each score over the seeds, the latter the standard deviation (n - 1), null for one seed
- ``intervals``: of each score in ``compared`` the ends of its 95 % interval over images
- ``against_first``: the difference to the first entry by ``score``, and ``differences`` by each score in ``compared``:
  ``difference``, ``low``, ``high``, ``p``, ``images``, ``decisive`` (an image), ``without`` (the difference without it), as in
  :class:`PairedDifference`; null for the first entry itself
- ``last_epoch_mean``: of ``score`` as logged after the last epoch, over the seeds
- ``runs``: of each seed ``work_dir``, ``seed``, ``epochs``, ``best_epoch``, ``checkpoint``, ``scores``, ``last_epoch_logged``,
  ``images`` (by name its ``confusion`` matrix, rows the true classes, and ``objects``: true, found, predicted, invented of each
  class but the background), and ``folds``: null, or for each fold its ``fold``, ``work_dir``, ``epochs``, ``best_epoch`` and
  ``checkpoint``; the run's own are then those of the first
- ``architecture``: ``name``, ``size`` (height and width of the input), ``stages`` (the fields of :class:`Stage`), ``picture``
"""

import base64
import os
import platform
import re
from collections.abc import Iterable
from dataclasses import asdict
from datetime import date
from importlib.metadata import PackageNotFoundError, version
from pathlib import Path
from urllib.parse import quote

import jinja2
import numpy as np
import torch

from custom_modules.evaluation.confusion import draw_confusion
from custom_modules.reporting import plots
from custom_modules.reporting.comparison import Comparison, RunGroup
from custom_modules.reporting.paired import RESAMPLES, PairedDifference
from custom_modules.reporting.runs import RunFolder, held_out_fold
from custom_modules.reporting.scoring import ClassifierResult, SegmentorResult
from custom_modules.utils.tables import json_values
from custom_modules.visualization.drawing import ERROR_COLOURS

LIBRARIES = ('torch', 'onedl-mmengine', 'onedl-mmsegmentation', 'onedl-mmpretrain')


def comparison_data(comparison: Comparison, out: Path) -> dict:
    """Lay out a comparison as the plain values that this module's docstring lists; links to configs are from the folder ``out``."""
    groups = comparison.groups
    data = dict(
        date=date.today().isoformat(),
        software={name: _version(name) for name in LIBRARIES},
        machine=f'{platform.machine()}, {torch.get_num_threads()} threads',
        options={key: str(value) for key, value in comparison.options.items()},
        checkpoints='last' if comparison.last_epoch else 'best',
        left_out=comparison.left_out,
        doubts=comparison.doubts,
        classifiers=[_classifier(*place) for place in enumerate(comparison.classifiers)],
        arms=[],
    )
    if groups:
        first = groups[0].first
        data |= dict(
            score=comparison.score,
            compared=comparison.compared,
            test_data=dict(
                images=first.names,
                height=first.size[0],
                width=first.size[1],
                classes=list(first.classes),
                fingerprint=first.fingerprint,
            ),
            arms=[_group(comparison, *place, out) for place in enumerate(comparison.labels())],
        )
    return json_values(data)


def _group(comparison: Comparison, number: int, label: str, out: Path) -> dict:
    group, base = comparison.groups[number], comparison.groups[0]
    scores = group.first.scores
    differences, names, compared = None, base.first.names, comparison.compared
    if group is not base:
        differences = {name: _difference(group.against(base, name), names) for name in compared}
    runs = [run for result in group.results for run in result.runs]
    return dict(
        label=label,
        config=group.name,
        source=group.source_name,
        link=_link(group, out),
        changes=group.changes,
        parameters=group.cost.parameters,
        flops=group.cost.flops,
        images_per_second=group.cost.images_per_second,
        batch=group.cost.batch,
        device=group.cost.device,
        mean={name: group.mean(name) for name in scores},
        spread={name: group.spread(name) for name in scores},
        intervals={name: group.interval(name) for name in compared},
        against_first=differences and differences[comparison.score],
        differences=differences,
        last_epoch_mean=_mean(run.score(comparison.score, run.epochs) for run in runs),
        runs=[_run(result, comparison.score) for result in group.results],
        architecture=_architecture(group.architecture, f'architecture_{number:02d}_{label}'),
    )


def _difference(found: PairedDifference, names: list[str]) -> dict:
    decisive = None if found.decisive is None else names[found.decisive]
    return asdict(found) | dict(decisive=decisive)


def _run(result: SegmentorResult, score: str) -> dict:
    images = zip(result.names, result.confusions, result.objects, strict=True)
    folds = None
    if result.fold:
        folds = [dict(fold=held_out_fold(run.cfg)[0], **_training(run)) for run in result.runs]
    return dict(
        _training(result.run),
        work_dir=result.title,
        seed=result.run.seed,
        scores=result.scores,
        last_epoch_logged=_mean(run.score(score, run.epochs) for run in result.runs),
        images={name: dict(confusion=pixels, objects=objects) for name, pixels, objects in images},
        folds=folds,
    )


def _training(run: RunFolder) -> dict:
    epochs = dict(epochs=run.epochs, best_epoch=run.best_epoch)
    return dict(work_dir=run.title, **epochs, checkpoint=run.checkpoint.name)


def _classifier(number: int, result: ClassifierResult) -> dict:
    run, cost = result.run, result.cost
    drawing = f'architecture_classifier_{number:02d}_{run.title}'
    return dict(
        label=run.title,
        config=run.name,
        seed=run.seed,
        best_epoch=run.best_epoch,
        epochs=run.epochs,
        parameters=cost.parameters,
        flops=cost.flops,
        images_per_second=cost.images_per_second,
        height=cost.size[0],
        width=cost.size[1],
        **result.report,
        picture=f'confusion_{number:02d}_{file_name(run.title)}.png',
        architecture=_architecture(result.architecture, drawing),
    )


def _architecture(architecture, picture: str) -> dict:
    return asdict(architecture) | dict(picture=f'{file_name(picture)}.png')


def file_name(text: str) -> str:
    """Make a file's name of any text."""
    return re.sub(r'[^\w.-]', '_', text)


def _link(group: RunGroup, out: Path) -> str | None:
    if group.source is None:
        return None
    return quote(Path(os.path.relpath(group.source, out.resolve())).as_posix())


def _mean(values: Iterable[float | None]) -> float | None:
    values = list(values)
    return None if None in values else sum(values) / len(values)


def _version(name: str) -> str | None:
    try:
        return version(name)
    except PackageNotFoundError:
        return None


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
