"""Comparison of runs: seeds and folds of one config as a group, runs that cannot be compared left out with a reason."""

from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path

import numpy as np
from mmengine.config import Config

from custom_modules.engine.config import require_read
from custom_modules.engine.config_checks import check_config
from custom_modules.reporting import scoring
from custom_modules.reporting.config_changes import config_changes, config_source, distinct_tails, pooled_config
from custom_modules.reporting.paired import PairedDifference, score_interval
from custom_modules.reporting.runs import RunFolder, held_out_fold, require_work_dir
from custom_modules.reporting.scoring import ClassifierResult, SegmentorResult
from custom_modules.utils.errors import UsageError, first_line
from custom_modules.utils.files import REPOSITORY


class RunGroup:
    """The results of one config, which differ only in their seed and have the same test data; folds of a seed are pooled.

    Cost and architecture are those of ``measured``, a result of the config.

    Attributes:
        source (Path | None): The config's file; ``source_name`` is its path within the repository.
        changes (dict[str, str] | None): Of :func:`config_changes`.
    """

    def __init__(self, results: Sequence[SegmentorResult], measured: SegmentorResult) -> None:
        self.results = sorted(results, key=lambda result: (result.run.seed is None, result.run.seed))
        self.runs = [run for result in self.results for run in result.runs]
        self.first = self.results[0]
        self.cost, self.architecture = measured.cost, measured.architecture
        self.name = self.first.run.name
        self.source = config_source(self.name)
        self.source_name = self.source and self.source.relative_to(REPOSITORY).as_posix()
        self.changes = config_changes(self.first.run.cfg, self.source)

    def mean(self, score: str) -> float:
        """Compute a score's mean over the seeds."""
        return float(np.mean(self._values(score)))

    def spread(self, score: str) -> float | None:
        """Compute a score's standard deviation over the seeds (n - 1); None for a single one."""
        values = self._values(score)
        return float(np.std(values, ddof=1)) if len(values) > 1 else None

    def interval(self, score: str) -> tuple[float, float] | None:
        """Compute a score's 95 % interval over images; None for a single one."""
        return score_interval([result.counts(score) for result in self.results])

    def against(self, other: 'RunGroup', score: str) -> PairedDifference:
        """Compare with another config, image by image."""
        sides = ([result.counts(score) for result in group.results] for group in (self, other))
        return PairedDifference.between(*sides)

    def _values(self, score: str) -> list[float]:
        return [result.scores[score] for result in self.results]


@dataclass(frozen=True)
class Comparison:
    """Runs side by side."""

    groups: list[RunGroup]  # of segmentors; the others are compared with the first
    classifiers: list[ClassifierResult]
    left_out: dict[str, str]  # the reason, by folder
    doubts: dict[str, str]  # what is odd about a folder that was compared
    options: dict  # what was changed in each config before scoring
    last_epoch: bool  # whether the last epoch's checkpoints were scored, not the best ones

    @property
    def score(self) -> str:
        """The score that groups are ranked by: the one that chose the first group's checkpoint."""
        monitored = self.groups[0].first.run.monitored
        return monitored if monitored in self.groups[0].first.scores else 'mDice'

    @property
    def compared(self) -> list[str]:
        """The scores with intervals and differences: :attr:`score`, and Dice, ``image_Dice`` and ``object_F1`` of its class, or of all."""
        classes = self.groups[0].first.classes[1:]
        named = [name for name in classes if self.score.startswith(f'{name}_')] or classes
        kinds = ('Dice', 'image_Dice', 'object_F1')
        return list(dict.fromkeys([self.score, *(f'{c}_{kind}' for c in named for kind in kinds)]))

    def labels(self) -> list[str]:
        """Name the groups by their config or, where that is ambiguous or a sweep varied it, by as much of their folder as needed."""
        names = [group.name for group in self.groups]
        runs = [group.first.run for group in self.groups]
        parents = [run.group for run in runs]
        # seeds of one folder whose configs differ are several groups
        folders = [run.path if parents.count(run.group) > 1 else run.group for run in runs]
        parts = []
        for name, folder in zip(names, folders, strict=True):
            ambiguous = names.count(name) > 1 or folder.name.startswith(f'{name}__')
            parts.append(folder.parts if ambiguous else (name,))
        return distinct_tails(parts, '/')


def compare_runs(
    work_dirs: Sequence[str | Path], cfg_options: dict | None = None, shown: int = 6, last_epoch: bool = False
) -> Comparison:
    """Score runs again, each on its own test part, and group them: seeds of one config are a group, folds of a seed are pooled.

    Left out are runs that are broken or unfinished, folds that are there twice or share images, and results with other test
    images, masks, classes or resolution than the first complete one. Raises a UsageError if a folder does not exist, or
    nothing is left to compare.

    Args:
        work_dirs (Sequence[str | Path]): The runs' folders; the others are compared with the first segmentor's config.
        cfg_options (dict, optional): What to change in each config before scoring, such as the place of the test data.
        shown (int): Number of images whose predictions are kept. Defaults to 6.
        last_epoch (bool): Score the last epoch's checkpoint instead of the best one. Defaults to False.
    """
    for path in work_dirs:
        require_work_dir(path)
    require_read(cfg_options or {})
    classifiers, left_out, doubts, groups = [], {}, {}, []
    # by config, without seed and fold
    segmentors: dict[frozenset, list[SegmentorResult]] = {}
    folders = list(dict.fromkeys(str(Path(path).resolve()) for path in work_dirs))
    for path in folders:
        try:
            run = RunFolder(path, last_epoch)
            if run.gap:
                raise UsageError(run.gap)
            cfg = run.cfg.copy()
            cfg.merge_from_dict(cfg_options or {})
            check_config(cfg)
            if cfg.get('default_scope') == 'mmpretrain':
                result = scoring.score_classifier(run, cfg)
                _require_same_test_data(result, (classifiers or [result])[0])
                classifiers.append(result)
            else:
                _add_segmentor(run, cfg, shown, segmentors)
        except UsageError as error:
            left_out[path] = str(error)
        except Exception as error:
            # one broken run must not end the report on the others
            left_out[path] = f'{type(error).__name__}: {first_line(error)}'
    pooled = [_pooled(results, shown) for results in segmentors.values() if results]
    # the first complete one, if there is any
    first = min(sum(pooled, []), key=lambda result: bool(result.missing), default=None)
    for results in pooled:
        kept: list[SegmentorResult] = []
        for result in results:
            try:
                _require_same_test_data(result, first)
            except UsageError as error:
                left_out |= {str(run.path): str(error) for run in result.runs}
                continue
            if found := _doubts(result, kept):
                doubts[str(result.run.path)] = '; '.join(found)
            kept.append(result)
        if kept:
            groups.append(RunGroup(kept, next(result for result in results if result.cost)))
    # in the order in which the folders were given
    left_out = {path: left_out[path] for path in folders if path in left_out}
    doubts = {path: doubts[path] for path in folders if path in doubts}
    if not groups and not classifiers:
        reasons = [f'{Path(path).name}: {why}' for path, why in left_out.items()]
        raise UsageError(f'none of the {len(reasons)} work dirs can be reported on. {" ".join(reasons)}')
    return Comparison(groups, classifiers, left_out, doubts, cfg_options or {}, last_epoch)


def _add_segmentor(run: RunFolder, cfg: Config, shown: int, segmentors: dict[frozenset, list[SegmentorResult]]) -> None:
    """Score a run and add the result to those of its config; a UsageError if it is a copy, or a fold that is not held out."""
    others = segmentors.setdefault(frozenset(pooled_config(run.cfg).items()), [])
    # one measurement per config
    result = scoring.score_segmentor(run, cfg, shown, measured=not others)
    for other in sum(segmentors.values(), []):
        if other.run.seed == run.seed and other.weights == result.weights:
            raise UsageError(f'the same weights as {other.run.title}: a copy is no other seed')
    _require_held_out(result, others)
    others.append(result)


def _pooled(results: list[SegmentorResult], shown: int) -> list[SegmentorResult]:
    """Pool the folds of each seed; results without folds stay as they are."""
    if results[0].fold is None:
        return results
    seeds = dict.fromkeys(result.run.seed for result in results)
    return [scoring.pool_folds([result for result in results if result.run.seed == seed], shown) for seed in seeds]


def _doubts(result: SegmentorResult, others: Sequence[SegmentorResult]) -> list[str]:
    """Say what is odd about a result, given the other results of its config so far."""
    run, doubts = result.run, []
    if result.missing:
        doubts.append(
            f'{scoring.name_folds(result.missing)} of {result.fold[1]} of seed {run.seed} missing: '
            'scored on the other folds alone'
        )
    twins = [other.run for other in others if other.run.seed == run.seed]
    if any(held_out_fold(twin.cfg) == held_out_fold(run.cfg) for twin in twins):
        doubts.append(f'seed {run.seed} is there twice: it counts twice')
    repeated = len(result.keys) - len(set(result.keys))
    if repeated and result.fold:
        doubts.append(f'{repeated} of its images are there again under another name')
    if result.learnt_on_test:
        doubts.append(f'{result.learnt_on_test} of its {len(result.names)} test images were trained on: it knows them by heart')
    logged = run.score(run.monitored, run.best_epoch) if run.monitored else None
    found = result.scores.get(run.monitored)
    # more than a rounding to two digits, as in mmseg's means
    if result.chosen_on_test and None not in (logged, found) and abs(found - logged) > 0.05:
        doubts.append(
            f'its checkpoint has a {run.monitored} of {found:.2f}, but its log says {logged:.2f}: the data or '
            'the code have changed since'
        )
    return doubts


def _require_held_out(result: SegmentorResult, others: Sequence[SegmentorResult]) -> None:
    """Refuse a fold that was trained on its test images, or shares them with another fold of its seed."""
    if result.fold is None:
        return
    count, seed = len(result.keys), result.run.seed
    if result.learnt_on_test:
        raise UsageError(f'{result.learnt_on_test} of its {count} test images were trained on: they are not held out')
    for other in (other for other in others if other.run.seed == seed):
        if other.fold == result.fold:
            raise UsageError(f'fold {result.fold[0]} of seed {seed} is there twice: {other.run.title} holds it too')
        images = [set(zip(side.names, side.keys, strict=True)) for side in (result, other)]
        if shared := len(images[0] & images[1]):
            raise UsageError(
                f'{shared} of its {count} test images are in fold {other.fold[0]} too ({other.run.title}): no image may be '
                'scored twice'
            )


def _require_same_test_data(result, other) -> None:
    if result.fingerprint != other.fingerprint:
        raise UsageError(
            f'other test data, or another label_limit, than {other.title}: {result.test_set} instead of {other.test_set}'
        )
