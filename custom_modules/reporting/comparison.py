"""Runs side by side: groups of seeds and paired differences."""

from collections.abc import Callable, Sequence
from dataclasses import dataclass
from pathlib import Path

import numpy as np
from scipy.stats import wilcoxon

from custom_modules.engine.config import config_sections
from custom_modules.evaluation.confusion import ConfusionScores
from custom_modules.reporting.config_changes import (
    config_changes,
    config_source,
    flat_config,
)
from custom_modules.reporting.results import SegmentorResult
from custom_modules.reporting.runs import RunFolder
from custom_modules.utils.errors import UsageError
from custom_modules.utils.files import REPOSITORY

RESAMPLES = 2000


@dataclass(frozen=True)
class PairedDifference:
    """How much better one set of runs is than another on the same images, and how sure that is.

    Args:
        difference (float): Mean pooled score over its runs, minus that of the others.
        low (float): Lower end of the 95 % interval.
        high (float): Upper end of the 95 % interval.
        p (float | None): Wilcoxon's signed-rank test over the images' own scores (means over the runs); None with
            fewer than five images whose scores differ.
        images (int): Images that both sides have a score of.
        decisive (int | None): The image without which the difference changes most; None if there is but one. In a pooled
            score the image with most pixels of a class can outweigh all others.
        without (float | None): The difference without that image.
    """

    difference: float
    low: float
    high: float
    p: float | None
    images: int
    decisive: int | None
    without: float | None

    @classmethod
    def of(
        cls, runs: Sequence[np.ndarray], others: Sequence[np.ndarray], score: Callable
    ) -> 'PairedDifference':
        """Compare runs with others.

        The interval is the percentile bootstrap over images: each of 2,000 resamples draws the same images for both
        sides. It says how the difference would vary with other test images; how it varies with other seeds is in
        the runs' standard deviation. The seed is fixed, so a report can be repeated to the digit.

        Args:
            runs (Sequence[np.ndarray]): For each run, the confusion matrices of the images (images, classes, classes).
            others (Sequence[np.ndarray]): The same for the others, with the images in the same order.
            score (Callable[[np.ndarray], float]): The score of a confusion matrix, in percent.
        """
        draw = np.random.default_rng(0)
        count = len(runs[0])

        def pooled(side: Sequence[np.ndarray], weights: np.ndarray) -> np.ndarray:
            summed = [np.tensordot(weights, run, 1) for run in side]
            return np.mean([[score(confusion) for confusion in run] for run in summed], axis=0)

        def difference(weights: np.ndarray) -> np.ndarray:
            return pooled(runs, weights) - pooled(others, weights)

        samples = draw.multinomial(count, np.full(count, 1 / count), RESAMPLES)
        differences = difference(samples)
        low, high = np.nanpercentile(differences, [2.5, 97.5])
        own, their = (
            np.array([[score(image) for image in run] for run in side]).mean(axis=0)
            for side in (runs, others)
        )
        gaps = (own - their)[np.isfinite(own) & np.isfinite(their)]
        p = float(wilcoxon(gaps).pvalue) if np.count_nonzero(gaps) >= 5 else None
        whole = float(difference(np.ones((1, count), int))[0])
        each_left_out = difference(1 - np.eye(count, dtype=int))
        moved = np.abs(each_left_out - whole)
        decisive = int(np.nanargmax(moved)) if np.isfinite(moved).any() else None
        without = None if decisive is None else float(each_left_out[decisive])
        return cls(whole, float(low), float(high), p, len(gaps), decisive, without)


class Arm:
    """The runs of one config, which differ in nothing but their seed.

    Args:
        results (Sequence[SegmentorResult]): The runs, scored on the same test data.

    Attributes:
        cost (ModelCost): What the model costs.
        name (str): The config's name.
        source (Path | None): The config's file; ``source_name`` is its path within the repository.
        changes (dict[str, str] | None): What the config and the command line change in its base; None if it is not known.
    """

    def __init__(self, results: Sequence[SegmentorResult]) -> None:
        self.results = sorted(
            results, key=lambda result: (result.run.seed is None, result.run.seed)
        )
        self.first = self.results[0]
        self.cost = next(result.cost for result in self.results if result.cost)
        self.name = self.first.run.name
        self.source = config_source(self.name)
        self.source_name = self.source and self.source.relative_to(REPOSITORY).as_posix()
        self.changes = config_changes(self.first.run.cfg, self.source)

    def mean(self, score: str) -> float:
        """Average a score over the runs."""
        return float(np.mean(self._values(score)))

    def spread(self, score: str) -> float | None:
        """Give a score's standard deviation over the runs (n - 1); None for a single run."""
        values = self._values(score)
        return float(np.std(values, ddof=1)) if len(values) > 1 else None

    def against(self, other: 'Arm', score: str) -> PairedDifference:
        """Compare with another arm, image by image."""
        classes = self.first.classes
        return PairedDifference.of(
            [result.confusions for result in self.results],
            [result.confusions for result in other.results],
            lambda confusion: ConfusionScores(confusion).named(classes)[score],
        )

    def _values(self, score: str) -> list[float]:
        return [result.scores[score] for result in self.results]


class Comparison:
    """Runs side by side: those of one config together, those that cannot be compared named and left out.

    Left out are runs that are broken or unfinished, and segmentors whose test images, masks, classes or resolution differ
    from those of the first run that can be scored.

    Args:
        work_dirs (Sequence[str | Path]): The runs' folders; the first segmentor's config is what others are compared with.
        cfg_options (dict, optional): What to change in each config before scoring, such as the place of the test data.
        shown (int): Of how many images the predictions are kept. Defaults to 6.

    Attributes:
        arms (list[Arm]): The segmentors.
        options (dict): ``cfg_options``.
        classifiers (list[ClassifierResult]): The classifiers.
        left_out (dict[str, str]): Why each other folder was left out.
        doubts (dict[str, str]): What is odd about runs that were compared.

    Raises:
        UsageError: If a folder does not exist, or nothing is left to compare.
    """

    def __init__(
        self, work_dirs: Sequence[str | Path], cfg_options: dict | None = None, shown: int = 6
    ) -> None:
        for path in work_dirs:
            if not Path(path).is_dir():
                raise UsageError(
                    f'there is no work dir {path}: give folders that tools/train.py wrote, such as '
                    'work_dirs/unet_baseline.'
                )
        self.options, self._shown = cfg_options or {}, shown
        for key in self.options:
            if key.split('.')[0] not in config_sections():
                raise UsageError(
                    f'--cfg-options {key} would change nothing: give the place that is read, such as '
                    'test_dataloader.dataset.data_root.'
                )
        self.classifiers, self.left_out, self.doubts = [], {}, {}
        self._results, self._measured = [], set()
        # each folder once, however it is written
        for path in dict.fromkeys(Path(path).resolve() for path in work_dirs):
            try:
                self._add(RunFolder(path))
            except UsageError as error:
                self.left_out[str(path)] = str(error)
            except Exception as error:
                # whatever is wrong with one run, the others are reported on
                reason = str(error).split('\n')[0]
                self.left_out[str(path)] = f'{type(error).__name__}: {reason}'
        if not self._results and not self.classifiers:
            reasons = ' '.join(f'{Path(path).name}: {why}' for path, why in self.left_out.items())
            raise UsageError(
                f'none of the {len(self.left_out)} work dirs can be reported on. {reasons}'
            )
        together = {}
        for result in self._results:
            together.setdefault(_what_it_does(result.run), []).append(result)
        self.arms = [Arm(results) for results in together.values()]

    @property
    def score(self) -> str:
        """The score that arms are compared by: the one that chose the first one's checkpoint."""
        monitored = self.arms[0].first.run.monitored
        return monitored if monitored in self.arms[0].first.scores else 'mDice'

    def labels(self) -> list[str]:
        """Name the arms; where several have one config's name, or a sweep gave a longer one, by folder, as much of it as needed."""
        names = [arm.name for arm in self.arms]
        folders = [arm.first.run.group for arm in self.arms]
        # seeds of one folder that differ in more
        folders = [
            arm.first.run.path if folders.count(folder) > 1 else folder
            for arm, folder in zip(self.arms, folders, strict=True)
        ]
        for depth in range(1, 20):
            shown = ['/'.join(folder.parts[-depth:]) for folder in folders]
            labels = [
                own if names.count(name) > 1 or folder.name.startswith(f'{name}__') else name
                for own, name, folder in zip(shown, names, folders, strict=True)
            ]
            if len(set(labels)) == len(labels):
                break
        return labels

    def _add(self, run: RunFolder) -> None:
        gap = run.gap
        if gap:
            raise UsageError(gap)
        cfg = run.cfg.copy()
        cfg.merge_from_dict(self.options)
        if cfg.get('default_scope') == 'mmpretrain':
            from custom_modules.reporting.results import ClassifierResult

            result = ClassifierResult(run, cfg)
            self._require_same_test_data(result, self.classifiers)
            self.classifiers.append(result)
            return
        from custom_modules.reporting.results import SegmentorResult

        # seeds of one config cost the same
        measured = _what_it_does(run) not in self._measured
        result = SegmentorResult(run, cfg, self._shown, measured)
        self._require_same_test_data(result, self._results)
        for other in self._results:
            if other.run.seed == run.seed and other.weights == result.weights:
                raise UsageError(f'the same weights as {other.run.title}: a copy is no other seed')
        self._results.append(result)
        self._measured.add(_what_it_does(run))
        self._doubt(result)

    def _require_same_test_data(self, result, others: list) -> None:
        if others and result.fingerprint != others[0].fingerprint:
            raise UsageError(
                f'other test data than {others[0].run.title}: {result.test_set} instead of {others[0].test_set}'
            )

    def _doubt(self, result) -> None:
        run = result.run
        if any(
            other is not result
            and other.run.seed == run.seed
            and _what_it_does(other.run) == _what_it_does(run)
            for other in self._results
        ):
            self.doubts[str(run.path)] = f'seed {run.seed} is there twice: it counts twice'
        logged = run.score(run.monitored, run.best_epoch) if run.monitored else None
        found = result.scores.get(run.monitored)
        if not result.chosen_on_test or logged is None or found is None:
            return
        # mmseg rounds its means to two digits
        if abs(found - logged) > 0.05:
            self.doubts[str(run.path)] = (
                f'its checkpoint has a {run.monitored} of {found:.2f}, but its log says {logged:.2f}: the data or '
                'the code have changed since'
            )


def _what_it_does(run: RunFolder) -> frozenset:
    return frozenset(flat_config(run.cfg).items())
