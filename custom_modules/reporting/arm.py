from collections.abc import Sequence

import numpy as np

from custom_modules.evaluation.confusion_scores import ConfusionScores

from .config_changes import REPOSITORY, config_changes, config_source
from .paired_difference import PairedDifference
from .segmentor_result import SegmentorResult


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
