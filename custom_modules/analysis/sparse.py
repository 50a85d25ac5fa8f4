"""Scores on sparsely labelled photographs, in which most rocks are not outlined."""

from collections.abc import Collection, Sequence
from pathlib import Path

import cv2
import numpy as np
import pandas as pd

from custom_modules.evaluation.confusion import percent
from custom_modules.evaluation.objects import FOUND
from custom_modules.evaluation.predictions import CheckpointPredictions
from custom_modules.utils.errors import UsageError
from custom_modules.utils.files import read_lines

STEPS = 4096  # bins of the probabilities


class SparseScores:
    """Share of each outlined class that is predicted as rock, and share of the outlined rocks that are found.

    Dice would count every rock that is not outlined as an error. But pixels of other classes should not be predicted as rock, and
    outlined rocks should be found while few pixels in all are predicted. Raises a UsageError for unknown ``rocks``.

    Args:
        classes (Sequence[str]): Name of each mask value; the first, 0, is what is not outlined.
        rocks (Collection[str]): The classes that are rock.
        share (float): Share of all pixels predicted as rock at which outlined rocks are counted, 0 to 1.
    """

    def __init__(self, classes: Sequence[str], rocks: Collection[str], share: float) -> None:
        unknown = [name for name in rocks if name not in classes]
        if unknown or not rocks:
            raise UsageError(
                f'--rocks names classes of the masks, {", ".join(classes[1:])}; got {", ".join(unknown) or "none"}: '
                'choose among them.'
            )
        self.classes, self.rocks, self.share = tuple(classes), tuple(rocks), share
        self._counts = np.zeros((len(classes), STEPS + 1), np.int64)  # pixels by class and probability
        self._found_up_to: list[float] = []  # of each outlined rock, the highest threshold at which it is found

    def add(self, truth: np.ndarray, probability: np.ndarray) -> None:
        """Count one image by its class indices and its probabilities of rock, 0 to 1 (H, W)."""
        steps = np.floor(np.clip(probability, 0, 1) * STEPS).astype(np.int64)
        for index, counts in enumerate(self._counts):
            counts += np.bincount(steps[truth == index], minlength=STEPS + 1)
        for name in self.rocks:
            count, parts = cv2.connectedComponents((truth == self.classes.index(name)).astype(np.uint8), connectivity=8)
            for part in range(1, count):
                descending = np.sort(probability[parts == part])[::-1]
                self._found_up_to.append(float(descending[int(np.ceil(FOUND * len(descending))) - 1]))

    def table(self, threshold: float) -> pd.DataFrame:
        """Return ``pixels`` and the percentage ``called_rock`` above a threshold, of all pixels and of each outlined ``class``."""
        called = self._counts[:, int(np.ceil(threshold * STEPS)) :].sum(axis=1)
        pixels = self._counts.sum(axis=1)
        # in place of the pixels that are not outlined
        called[0], pixels[0] = called.sum(), pixels.sum()
        names = ['all pixels', *self.classes[1:]]
        return pd.DataFrame({'class': names, 'pixels': pixels, 'called_rock': percent(called, pixels)})

    def recall(self) -> dict[str, float]:
        """Return the ``threshold`` at which at most :attr:`share` of all pixels is predicted as rock, and the recall there.

        It is the percentage of outlined rock ``pixels`` that are predicted, and of outlined ``rocks`` with at least half of their
        pixels predicted; nan if none is outlined.
        """
        from_top = self._counts[:, ::-1].cumsum(axis=1)
        totals = from_top.sum(axis=0)
        # the lowest threshold that does not exceed the share
        last = np.searchsorted(totals, self.share * totals[-1], side='right') - 1
        threshold = float((STEPS - last) / STEPS)
        rows = [self.classes.index(name) for name in self.rocks]
        called = from_top[rows, last].sum() if last >= 0 else 0
        found = np.array(self._found_up_to) >= threshold
        return dict(
            threshold=round(threshold, 4),
            pixels=float(percent(called, from_top[rows, -1].sum())),
            rocks=float(percent(found.sum(), len(found))),
        )


def sparse_scores(
    cfg, checkpoints: Sequence[str], folder: Path, rocks: Sequence[str], prefixes: Sequence[str], share: float
) -> tuple[SparseScores, float, int]:
    """Score a checkpoint, or those of all folds of a cross-validation on their test parts, on sparsely labelled images.

    Returns the scores, the config's threshold, and the number of images. Raises a UsageError if the folder or the config is of
    another kind, or no image has such a name.

    Args:
        cfg (mmengine.Config): A binary segmentor's config; the images are scored at the size that it tests at.
        checkpoints (Sequence[str]): Its weights; several are those of fold 0, 1, ..., and the scores are of all together.
        folder (Path): With ``images``, ``masks`` and ``classes.txt``, as ``tools/prepare_data.py coco-to-masks`` writes them.
        rocks (Sequence[str]): The classes that are rock.
        prefixes (Sequence[str]): Beginnings of file names; the images of each are split into folds separately, as in training.
        share (float): As in :class:`SparseScores`.
    """
    names = folder / 'classes.txt'
    if not names.is_file():
        raise UsageError(
            f'{folder} holds no classes.txt: make it with `python tools/prepare_data.py coco-to-masks JSON --images IMAGES '
            f'--out {folder}`.'
        )
    scores = SparseScores(read_lines(names), rocks, share)
    test = cfg.test_dataloader.dataset
    common = dict(
        type='IndexedMaskDataset',
        data_root=str(folder.resolve()),
        classes=scores.classes,
        split='all',
        load_size=test.get('load_size'),
        pipeline=test.get('pipeline'),
        test_mode=True,
        remedy='give --prefix one that they begin with',
    )
    images = 0
    for fold, checkpoint in enumerate(checkpoints):
        unseen = dict(split='test', fold=fold, folds=len(checkpoints)) if len(checkpoints) > 1 else {}
        for prefix in prefixes:
            cfg.test_dataloader.dataset = {**common, **unseen, 'img_prefix': prefix, 'mask_prefix': prefix}
            predictions = CheckpointPredictions(cfg, checkpoint)
            if predictions.threshold is None:
                raise UsageError(
                    "outlined rocks are counted for a head of one channel, and the config's has several: choose a binary "
                    'config, such as configs/unet_baseline.py.'
                )
            for prediction in predictions:
                scores.add(prediction.truth, prediction.probabilities[1])
            images += len(predictions)
    return scores, predictions.threshold, images
