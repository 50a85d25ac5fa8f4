"""A report: the values of ``results.json``, whose fields ``results.md`` lists, and the Markdown and HTML pages made from them."""

import base64
import os
import platform
import re
from collections.abc import Iterable
from dataclasses import asdict
from datetime import date
from pathlib import Path
from urllib.parse import quote

import jinja2
import numpy as np
import torch

from custom_modules.evaluation.confusion import draw_confusion
from custom_modules.reporting import plots
from custom_modules.reporting.comparison import Comparison
from custom_modules.reporting.paired import RESAMPLES
from custom_modules.reporting.runs import RunFolder, held_out_fold, run_labels
from custom_modules.reporting.scoring import SegmentorResult
from custom_modules.utils.machine import installed_version
from custom_modules.utils.tables import json_values
from custom_modules.visualization.drawing import ERROR_COLOURS, encoded

LIBRARIES = ('torch', 'onedl-mmengine', 'onedl-mmsegmentation', 'onedl-mmpretrain')
TEMPLATES = Path(__file__).parent / 'templates'


def comparison_data(comparison: Comparison, out: Path) -> dict:
    """Turn a comparison into the values of ``results.json``, which ``results.md`` lists; links to configs are relative to ``out``."""
    runs = [result.run for result in comparison.classifiers]
    data = dict(
        date=date.today().isoformat(),
        software={name: installed_version(name) for name in LIBRARIES},
        machine=f'{platform.machine()}, {torch.get_num_threads()} threads',
        options={key: str(value) for key, value in comparison.options.items()},
        checkpoints='last' if comparison.last_epoch else 'best',
        left_out=comparison.left_out,
        doubts=comparison.doubts,
        classifiers=[_classifier(comparison, i, label) for i, label in enumerate(run_labels(runs))],
        arms=[],
    )
    if comparison.groups:
        first = comparison.groups[0].first
        size = dict(zip(('height', 'width'), first.size, strict=True))
        data |= dict(
            score=comparison.score,
            compared=comparison.compared,
            test_data=dict(images=first.names, **size, classes=list(first.classes), fingerprint=first.fingerprint),
            arms=[_group(comparison, i, label, out) for i, label in enumerate(comparison.labels())],
        )
    return json_values(data)


def _group(comparison: Comparison, number: int, label: str, out: Path) -> dict:
    group, base = comparison.groups[number], comparison.groups[0]
    score, compared = comparison.score, comparison.compared
    names, scores = base.first.names, group.first.scores
    link = group.source and quote(Path(os.path.relpath(group.source, out.resolve())).as_posix())
    differences = None
    if group is not base:
        differences = {name: asdict(group.against(base, name)) for name in compared}
        for values in differences.values():
            values['decisive'] = None if values['decisive'] is None else names[values['decisive']]
    return dict(
        label=label,
        config=group.name,
        source=group.source_name,
        link=link,
        changes=group.changes,
        **group.cost,
        mean={name: group.mean(name) for name in scores},
        spread={name: group.spread(name) for name in scores},
        intervals={name: group.interval(name) for name in compared},
        against_first=differences and differences[score],
        differences=differences,
        last_epoch_mean=_logged_mean(group.runs, score),
        runs=[_run(result, score) for result in group.results],
        architecture=asdict(group.architecture) | dict(picture=file_name(f'architecture_{number:02d}_{label}.png')),
    )


def _run(result: SegmentorResult, score: str) -> dict:
    images = zip(result.names, result.confusions, result.objects, strict=True)
    folds = [dict(fold=held_out_fold(run.cfg)[0], **_training(run)) for run in result.runs] if result.fold else None
    return dict(
        _training(result.run),
        work_dir=result.title,
        seed=result.run.seed,
        scores=result.scores,
        last_epoch_logged=_logged_mean(result.runs, score),
        images={name: dict(confusion=confusion, objects=objects) for name, confusion, objects in images},
        folds=folds,
    )


def _training(run: RunFolder) -> dict:
    return dict(work_dir=run.title, epochs=run.epochs, best_epoch=run.best_epoch, checkpoint=run.checkpoint.name)


def _classifier(comparison: Comparison, number: int, label: str) -> dict:
    result = comparison.classifiers[number]
    return dict(
        label=label,
        config=result.run.name,
        seed=result.run.seed,
        best_epoch=result.run.best_epoch,
        epochs=result.run.epochs,
        **{key: result.cost[key] for key in ('parameters', 'flops', 'images_per_second')},
        **dict(zip(('height', 'width'), result.architecture.size, strict=True)),
        **result.report,
        picture=f'confusion_{number:02d}_{file_name(label)}.png',
        architecture=asdict(result.architecture) | dict(picture=file_name(f'architecture_classifier_{number:02d}_{label}.png')),
    )


def file_name(text: str) -> str:
    """Turn any text into a file's name."""
    return re.sub(r'[^\w.-]', '_', text)


def _logged_mean(runs: Iterable[RunFolder], score: str) -> float | None:
    """Average a score that runs logged after their last epoch; None if one has not logged it."""
    values = [run.score(score, run.epochs) for run in runs]
    return None if None in values else sum(values) / len(values)


def report_pages(comparison: Comparison, data: dict, title: str) -> dict[str, bytes]:
    """Make the files of a report, by path: a Markdown page with its pictures, and an HTML page that needs no other file.

    Every number on the pages is from ``data``, which is of :func:`comparison_data`.
    """
    templates = jinja2.Environment(
        loader=jinja2.FileSystemLoader(TEMPLATES),
        autoescape=lambda name: name is not None and '.html' in name,
        trim_blocks=True,
        lstrip_blocks=True,
        undefined=jinja2.StrictUndefined,
    )
    templates.filters['cell'] = lambda text: re.sub(r'([\\`*_<>\[\]|])', r'\\\1', str(text))
    pictures, arms = _pictures(comparison, data), data['arms']
    inline = {name: _data_url(picture) for name, picture in pictures.items()}
    values = dict(data=data, title=title, networks=_networks(data), inline=inline, gallery=[], colours=ERROR_COLOURS)
    if arms:
        for number, (name, cells) in enumerate(plots.gallery(comparison).items()):
            file = f'{number:02d}_{file_name(name)}.png'
            pictures[file] = plots.draw_models(cells)
            figures = [dict(caption=caption, src=_data_url(encoded(image))) for caption, image in cells]
            values['gallery'].append(dict(name=name, file=file, cells=figures))
        pairs = zip(arms, comparison.groups, strict=True)
        biased = [arm['label'] for arm, group in pairs if any(result.chosen_on_test for result in group.results)]
        seeds = [len(arm['runs']) for arm in arms]
        notes = templates.get_template('notes.jinja').render(data=data, biased=biased, seeds=seeds, resamples=RESAMPLES)
        kinds = ('Dice', 'IoU', 'image_Dice', 'object_F1')
        named = [f'{name}_{kind}' for kind in kinds for name in data['test_data']['classes'][1:]]
        values |= dict(
            score_names=[*named, 'mDice', 'mIoU', 'aAcc'],
            notes=' '.join(notes.splitlines()),
            decided=[arm for arm in arms if (arm['against_first'] or {}).get('decisive')],
        )
    files = {f'pictures/{name}': picture for name, picture in pictures.items()}
    pages = ('report.md', 'report.html')
    return files | {page: templates.get_template(f'{page}.jinja').render(values).encode() for page in pages}


def _pictures(comparison: Comparison, data: dict) -> dict[str, bytes]:
    pictures, results = {}, [*comparison.groups, *comparison.classifiers]
    for result, entry in zip(results, [*data['arms'], *data['classifiers']], strict=True):
        pictures[entry['architecture']['picture']] = plots.draw_architecture(result.architecture, entry['label'])
    if comparison.groups:
        pairs = zip(comparison.groups, comparison.labels(), strict=True)
        runs, labels = zip(*((run, label) for group, label in pairs for run in group.runs), strict=True)
        pictures['learning_curves.png'] = plots.draw_learning_curves(runs, labels)
    if comparison.classifiers:
        pictures['classifier_curves.png'] = plots.draw_learning_curves([result.run for result in comparison.classifiers])
    for entry in data['classifiers']:
        confusion = np.array(entry['confusion_matrix'], float)
        pictures[entry['picture']] = draw_confusion(confusion, [row['name'] for row in entry['classes']])
    return pictures


def _networks(data: dict) -> list[dict]:
    """List the different networks, each with the labels of all groups and classifiers that have it."""
    networks: dict[str, dict] = {}
    for entry in (*data['arms'], *data['classifiers']):
        network = entry['architecture']
        key = repr((network['name'], network['size'], network['stages']))
        networks.setdefault(key, dict(network, labels=[]))['labels'].append(entry['label'])
    return list(networks.values())


def _data_url(picture: bytes) -> str:
    return 'data:image/png;base64,' + base64.b64encode(picture).decode()
