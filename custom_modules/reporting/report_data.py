"""A report as plain values: what ``results.json`` holds, and what both pages are made from.

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

import os
import platform
import re
from collections.abc import Iterable
from dataclasses import asdict
from datetime import date
from importlib.metadata import PackageNotFoundError, version
from pathlib import Path
from urllib.parse import quote

import torch

from custom_modules.reporting.comparison import Comparison, RunGroup
from custom_modules.reporting.paired import PairedDifference
from custom_modules.reporting.runs import RunFolder, held_out_fold
from custom_modules.reporting.scoring import ClassifierResult, SegmentorResult
from custom_modules.utils.tables import json_values

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
