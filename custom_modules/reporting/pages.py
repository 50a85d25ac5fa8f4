"""The report as data and as pages."""

import base64
import os
import platform
import re
from collections.abc import Iterable
from datetime import date
from importlib.metadata import PackageNotFoundError, version
from pathlib import Path
from urllib.parse import quote

import jinja2
import numpy as np
import torch

from custom_modules.evaluation.confusion import draw_confusion
from custom_modules.reporting.comparison import RESAMPLES, Comparison
from custom_modules.reporting.plots import draw_learning_curves, draw_models, gallery, png
from custom_modules.visualization.drawing import ERROR_COLOURS

LIBRARIES = ('torch', 'onedl-mmengine', 'onedl-mmsegmentation', 'onedl-mmpretrain')


def comparison_data(comparison: Comparison) -> dict:
    """Lay out a comparison as plain values: what ``results.json`` holds, and what both pages are made from.

    Args:
        comparison (Comparison): The runs.

    Returns:
        dict: ``date``, ``software``, ``machine``, ``options``, ``left_out``, ``doubts``; with segmentors ``score``, ``test_data`` and ``arms``,
        each with its mean scores, their spread over seeds, its difference to the first, and every run; with classifiers
        ``classifiers``.
    """
    data = dict(
        date=date.today().isoformat(),
        software={name: _version(name) for name in LIBRARIES},
        machine=f'{platform.machine()}, {torch.get_num_threads()} threads',
        options={key: str(value) for key, value in comparison.options.items()},
        left_out=comparison.left_out,
        doubts=comparison.doubts,
        classifiers=[_classifier(result) for result in comparison.classifiers],
        arms=[],
    )
    if comparison.arms:
        first = comparison.arms[0].first
        data['score'] = comparison.score
        data['test_data'] = dict(
            images=first.names,
            height=first.size[0],
            width=first.size[1],
            classes=list(first.classes),
            fingerprint=first.fingerprint,
        )
        data['arms'] = [
            _arm(comparison, arm, label)
            for arm, label in zip(comparison.arms, comparison.labels(), strict=True)
        ]
    return data


def _arm(comparison: Comparison, arm, label: str) -> dict:
    scores, runs = arm.first.scores, [result.run for result in arm.results]
    against = None
    if arm is not comparison.arms[0]:
        found = arm.against(comparison.arms[0], comparison.score)
        against = {
            name: _number(getattr(found, name))
            for name in ('difference', 'low', 'high', 'p', 'images', 'without')
        }
        names = comparison.arms[0].first.names
        against['decisive'] = None if found.decisive is None else names[found.decisive]
    return dict(
        label=label,
        config=arm.name,
        source=arm.source_name,
        changes=arm.changes,
        parameters=arm.cost.parameters,
        flops=arm.cost.flops,
        images_per_second=arm.cost.images_per_second,
        batch=arm.cost.batch,
        device=arm.cost.device,
        mean={name: _number(arm.mean(name)) for name in scores},
        spread={name: _number(arm.spread(name)) for name in scores},
        against_first=against,
        last_epoch_mean=_mean(run.score(comparison.score, run.epochs) for run in runs),
        runs=[_run(result, comparison.score) for result in arm.results],
    )


def _run(result, score: str) -> dict:
    run = result.run
    return dict(
        work_dir=run.title,
        seed=run.seed,
        epochs=run.epochs,
        best_epoch=run.best_epoch,
        checkpoint=run.checkpoint.name,
        scores={name: _number(value) for name, value in result.scores.items()},
        last_epoch_logged=_number(run.score(score, run.epochs)),
        images={
            name: dict(confusion=confusion.tolist())
            for name, confusion in zip(result.names, result.confusions, strict=True)
        },
    )


def _classifier(result) -> dict:
    run = result.run
    cost = result.cost
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
    )


def _number(value: float | None) -> float | None:
    # JSON has no nan
    return None if value is None or value != value else float(value)


def _mean(values: Iterable[float | None]) -> float | None:
    values = list(values)
    return None if None in values else sum(values) / len(values)


def _version(name: str) -> str | None:
    try:
        return version(name)
    except PackageNotFoundError:
        return None


def report_notes(comparison: Comparison, data: dict) -> list[str]:
    """Say in words what the table's numbers are.

    Args:
        comparison (Comparison): The runs.
        data (dict): What :func:`comparison_data` says of them.
    """
    test = data['test_data']
    arms = data['arms']
    notes = [
        f'Percent, at {test["width"]}x{test["height"]}, pixels of all {len(test["images"])} test images counted '
        "together, of each run's best checkpoint."
    ]
    chosen = [[result.chosen_on_test for result in arm.results] for arm in comparison.arms]
    biased = [arm['label'] for arm, own in zip(arms, chosen, strict=True) if any(own)]
    if biased:
        whose = '' if len(biased) == len(arms) else f' of {", ".join(biased)}'
        notes.append(
            f'The checkpoints{whose} were chosen on these same images, so that the scores are a little too good: the last '
            f"epoch's {data['score']} stands beside them."
        )
    if len(biased) < len(arms):
        notes.append(f"The last epoch's {data['score']} is that of the validation part, as logged.")
    if comparison.options:
        given = ', '.join(f'{key}={value}' for key, value in comparison.options.items())
        notes.append(f'Scored with {given} in every config.')
    if any(len(arm['runs']) > 1 for arm in arms):
        notes.append('± is the standard deviation over seeds (n - 1).')
    if any(len(arm['runs']) == 1 for arm in arms):
        notes.append(
            'A row without ± is of one seed: how far another would be from it is not known.'
        )
    if len(arms) > 1:
        notes.append(
            f'The difference to the first row is that of the means over seeds, with a 95 % interval over images ({RESAMPLES:,} '
            "paired bootstrap resamples); p is Wilcoxon's signed-rank test over the images' own scores, not corrected "
            'for several comparisons.'
        )
    first = arms[0]
    notes.append(
        'GFLOPs: multiply-additions of one image, each counted once. images/s: the network alone, batches of '
        f'{first["batch"]} on {first["device"]} ({data["machine"]}), one model after the other.'
    )
    return notes


def provenance(data: dict) -> str:
    """Say when and with what a report was made."""
    software = ', '.join(
        f'{name} {version}' for name, version in data['software'].items() if version
    )
    made = f'Made by tools/report.py on {data["date"]} with {software}.'
    if data['arms']:
        made += f' Test data: fingerprint {data["test_data"]["fingerprint"]}.'
    return made


TEMPLATES = Path(__file__).parent / 'templates'


def report_pages(comparison: Comparison, data: dict, out: Path, title: str) -> dict[str, bytes]:
    """Make the files of a report: a Markdown page with its pictures, and an HTML page that needs no other file.

    Args:
        comparison (Comparison): The runs.
        data (dict): What :func:`comparison_data` says of them; every number on the pages is from here.
        out (Path): The report's folder, for links to configs.
        title (str): The heading.

    Returns:
        dict[str, bytes]: The content of each file, by its path within the folder.
    """
    pages = jinja2.Environment(
        loader=jinja2.FileSystemLoader(TEMPLATES),
        autoescape=lambda name: name is not None and '.html' in name,
        trim_blocks=True,
        lstrip_blocks=True,
        undefined=jinja2.StrictUndefined,
    )
    pages.filters['cell'] = lambda text: re.sub(r'([\\`*_<>\[\]|])', r'\\\1', str(text))
    files, rows = {}, []
    for arm, entry in zip(comparison.arms, data['arms'], strict=True):
        entry['link'] = arm.source and quote(
            Path(os.path.relpath(arm.source, out.resolve())).as_posix()
        )
    values = dict(data=data, title=title, provenance=provenance(data))
    if comparison.arms:
        for number, (name, cells) in enumerate(gallery(comparison).items()):
            file = f'{number:02d}_{_safe(name)}.png'
            files[f'pictures/{file}'] = draw_models(cells)
            shown = [dict(caption=caption, src=_inline(png(image))) for caption, image in cells]
            rows.append(dict(name=name, file=file, cells=shown))
        files['pictures/learning_curves.png'] = draw_learning_curves(
            [result.run for arm in comparison.arms for result in arm.results],
            [
                label
                for label, arm in zip(comparison.labels(), comparison.arms, strict=True)
                for _ in arm.results
            ],
        )
        values |= dict(
            gallery=rows,
            curves=_inline(files['pictures/learning_curves.png']),
            score_names=_score_names(data['test_data']['classes']),
            notes=report_notes(comparison, data),
            decided=[arm for arm in data['arms'] if (arm['against_first'] or {}).get('decisive')],
            legend="Each model's errors over the darkened image, at the resolution of the score"
            f'{"; of several seeds the lowest" if any(len(arm.results) > 1 for arm in comparison.arms) else ""}: '
            f'{", ".join(f"{name} {colour}" for name, colour in zip(ERROR_COLOURS, ("blue", "yellow", "red", "violet"), strict=True))}.',
            colours=ERROR_COLOURS,
        )
    for number, entry in enumerate(data['classifiers']):
        entry['picture'] = f'confusion_{number:02d}_{_safe(entry["label"])}.png'
        shares = np.array(entry['confusion_matrix'], float)
        names = [row['name'] for row in entry['classes']]
        picture = draw_confusion(shares, names)
        files[f'pictures/{entry["picture"]}'] = picture
        entry['src'] = _inline(picture)
    for page in ('report.md', 'report.html'):
        files[page] = pages.get_template(f'{page}.jinja').render(values).encode()
    for entry in data['classifiers']:
        # the pages' own
        del entry['src']
    return files


def _score_names(classes: list[str]) -> list[str]:
    objects = classes[1:]
    own = [f'{name}_{score}' for score in ('Dice', 'IoU') for name in objects]
    return [*own, 'mDice', 'mIoU', 'aAcc']


def _inline(picture: bytes) -> str:
    return 'data:image/png;base64,' + base64.b64encode(picture).decode()


def _safe(name: str) -> str:
    return re.sub(r'[^\w.-]', '_', name)
