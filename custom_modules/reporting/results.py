"""What scoring the checkpoints of runs gives: of one run, or of the folds of a cross-validation together."""

from collections.abc import Collection
from dataclasses import dataclass

import numpy as np

from custom_modules.evaluation.confusion import ConfusionScores, image_dice
from custom_modules.evaluation.objects import object_f1
from custom_modules.evaluation.predictions import Prediction
from custom_modules.reporting.architecture import Architecture
from custom_modules.reporting.paired import ImageCounts, pooled_counts
from custom_modules.reporting.runs import RunFolder


@dataclass(frozen=True)
class ModelCost:
    """What a model costs.

    Args:
        parameters (int): All its parameters.
        flops (float | None): Multiply-additions for one image, each counted once, as mmengine counts; None where it
            cannot.
        images_per_second (float): Images through the network alone, without loading and resizing.
        size (tuple[int, int]): Height and width of the input.
        batch (int): Images in a batch while the time was taken.
        device (str): Where it ran.
    """

    parameters: int
    flops: float | None
    images_per_second: float
    size: tuple[int, int]
    batch: int
    device: str


@dataclass(frozen=True)
class SegmentorResult:
    """A finished segmentation run, scored again on its config's test part; or all folds of one, each on its own.

    Args:
        runs (tuple[RunFolder]): The run; the folds' runs in their order.
        fold (tuple[int, int] | None): Which part of how many was held out and is tested on; of folds that of the first.
        classes (tuple[str]): Names of the classes.
        palette (list): RGB of each class.
        size (tuple[int, int]): Height and width of the masks.
        names (list[str]): Name of each image.
        keys (list[str]): Digest of each image and its mask.
        confusions (np.ndarray): Confusion matrix of each image (images, classes, classes).
        objects (np.ndarray): Of each image and class but the background (images, classes - 1, 4), the counts of
            :meth:`ObjectMatch.counts`.
        kept (list[Prediction]): The predictions to show.
        shown (list[str]): Their keys.
        fingerprint (str): Of images, masks, classes and resolution; results with the same one can be compared.
        chosen_on_test (bool): Whether the best checkpoint was chosen on some of these very test images.
        learnt_on_test (int): On how many of them it was trained.
        weights (str): Of the checkpoint's content; a copy has the same.
        cost (ModelCost | None): Parameters, operations and speed, where they were measured.
        architecture (Architecture | None): What the network is made of, likewise.
        missing (tuple[int]): Folds that are not there.
    """

    runs: tuple[RunFolder, ...]
    fold: tuple[int, int] | None
    classes: tuple[str, ...]
    palette: list
    size: tuple[int, int]
    names: list[str]
    keys: list[str]
    confusions: np.ndarray
    objects: np.ndarray
    kept: list[Prediction]
    shown: list[str]
    fingerprint: str
    chosen_on_test: bool
    learnt_on_test: int
    weights: str
    cost: ModelCost | None = None
    architecture: Architecture | None = None
    missing: tuple[int, ...] = ()

    @property
    def run(self) -> RunFolder:
        """The run, or that of the first fold."""
        return self.runs[0]

    @property
    def title(self) -> str:
        """The work dir in few words; of folds what they have in common."""
        if self.fold is None:
            return self.run.title
        together = self.run.title.removesuffix(f'_fold{self.fold[0]}')
        return f'{together} ({len(self.runs)} of {self.fold[1]} folds)'

    @property
    def test_set(self) -> str:
        """The test data in words."""
        height, width = self.size
        lacking = f', without {name_folds(self.missing)}' if self.missing else ''
        return f'{len(self.names)} images of {width}x{height} ({", ".join(self.classes)}){lacking}'

    @property
    def scores(self) -> dict[str, float]:
        """The scores of the whole part, named as ``ClassIoUMetric`` names them."""
        scores = ConfusionScores(self.confusions.sum(axis=0)).named(self.classes)
        for name in self.classes[1:]:
            for score in (f'{name}_image_Dice', f'{name}_object_F1'):
                counts = self.counts(score)
                scores[score] = float(counts.score(counts.counts.sum(axis=0)))
        return scores

    def counts(self, score: str) -> ImageCounts:
        """Give what a score counts in each image.

        Args:
            score (str): A name of :attr:`scores`.
        """
        if score.endswith('_image_Dice'):
            index = self.classes.index(score.removesuffix('_image_Dice'))
            own = image_dice(self.confusions)[:, index]
            counted = np.isfinite(own)
            counts = np.stack([np.where(counted, own, 0), counted], axis=-1)
            return ImageCounts(counts, _mean_of_sums, own)
        if score.endswith('_object_F1'):
            index = self.classes.index(score.removesuffix('_object_F1'))
            counts = self.objects[:, index - 1]
            own = object_f1(counts)
            # nothing there, nothing invented
            return ImageCounts(counts, object_f1, np.where(np.isfinite(own), own, 100.0))
        return pooled_counts(self.confusions, self.classes, score)


def _mean_of_sums(sums: np.ndarray) -> np.ndarray:
    total, count = np.moveaxis(np.asarray(sums, float), -1, 0)
    return np.divide(total, count, out=np.full_like(total, np.nan), where=count > 0)


def name_folds(numbers: Collection[int]) -> str:
    """Say which folds: ``fold 3``, ``folds 1, 4``."""
    return f'fold{"s" * (len(numbers) > 1)} {", ".join(map(str, sorted(numbers)))}'


@dataclass(frozen=True)
class ClassifierResult:
    """A finished classification run, scored again on its config's test part.

    Args:
        run (RunFolder): The run.
        report (dict): What ``ClassificationReport`` computes.
        fingerprint (str): Of image names, labels and classes; results with the same one can be compared.
        test_set (str): The test data in words.
        cost (ModelCost): Parameters, operations and speed.
        architecture (Architecture): What the network is made of.
    """

    run: RunFolder
    report: dict
    fingerprint: str
    test_set: str
    cost: ModelCost
    architecture: Architecture

    @property
    def title(self) -> str:
        """The work dir in few words."""
        return self.run.title
