import platform
from collections.abc import Iterable
from datetime import date
from importlib.metadata import PackageNotFoundError, version

import torch

from .comparison import Comparison

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
