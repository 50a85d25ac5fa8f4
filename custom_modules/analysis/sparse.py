"""Scores on sparsely labelled photographs, where what is outlined is right and most rocks are not outlined."""

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

STEPS = 4096  # the network's probabilities are counted in as many steps


class SparseScores:
    """What share of each outlined class is called rock, and how many outlined rocks are found.

    A score such as Dice would count every rock that nobody outlined as an error. But pixels of things that are no rocks
    should not be called rock, and outlined rocks should be found while few pixels are called rock in all. Raises a
    UsageError if a name is none of the classes.

    Args:
        classes (Sequence[str]): Name of each mask value; the first, 0, is what nobody outlined.
        rocks (Collection[str]): Which of them are rock.
        share (float): At which share of all pixels called rock the outlined rocks are counted, 0 to 1. Defaults to 0.05.
    """

    def __init__(self, classes: Sequence[str], rocks: Collection[str], share: float = 0.05) -> None:
        unknown = [name for name in rocks if name not in classes]
        if unknown or not rocks:
            raise UsageError(
                f'--rocks names classes of the masks, {", ".join(classes[1:])}; got {", ".join(unknown) or "none"}: '
                'choose among them.'
            )
        self.classes, self.rocks, self.share = tuple(classes), tuple(rocks), share
        # how many pixels of each class have a probability of at least step / STEPS, before it is summed up
        self._counts = np.zeros((len(classes), STEPS + 1), np.int64)
        self._found_up_to: list[float] = []  # up to which threshold each outlined rock is found

    def add(self, truth: np.ndarray, probability: np.ndarray) -> None:
        """Count one picture: the index of each pixel's class, and the probability of rock, 0 to 1 (H, W)."""
        steps = np.floor(np.clip(probability, 0, 1) * STEPS).astype(np.int64)
        for index, counts in enumerate(self._counts):
            counts += np.bincount(steps[truth == index], minlength=STEPS + 1)
        for name in self.rocks:
            count, parts = cv2.connectedComponents((truth == self.classes.index(name)).astype(np.uint8), connectivity=8)
            for part in range(1, count):
                own = np.sort(probability[parts == part])[::-1]
                self._found_up_to.append(float(own[int(np.ceil(FOUND * len(own))) - 1]))

    def table(self, threshold: float) -> pd.DataFrame:
        """Lay out what is called rock above a threshold: of all pixels, then of each outlined ``class``.

        ``pixels`` are counted, ``called_rock`` is in percent, nan where the class does not occur.
        """
        called = self._counts[:, int(np.ceil(threshold * STEPS)) :].sum(axis=1)
        pixels = self._counts.sum(axis=1)
        # what nobody outlined is of no interest by itself
        called[0], pixels[0] = called.sum(), pixels.sum()
        names = ['all pixels', *self.classes[1:]]
        return pd.DataFrame({'class': names, 'pixels': pixels, 'called_rock': percent(called, pixels)})

    def recall(self) -> dict[str, float]:
        """Count the outlined rocks that are found while :attr:`share` of all pixels is called rock.

        Beside the ``threshold`` that gives this share: the percentage of outlined rock ``pixels`` that are called rock,
        and of outlined ``rocks`` of which at least half of the pixels are. nan where none is outlined.
        """
        from_top = self._counts[:, ::-1].cumsum(axis=1)
        totals = from_top.sum(axis=0)
        # the lowest threshold that does not call more
        within = np.flatnonzero(totals <= self.share * totals[-1])
        last = within[-1] if len(within) else -1
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
    cfg,
    checkpoints: Sequence[str],
    folder: Path,
    rocks: Sequence[str],
    prefixes: Sequence[str] = ('',),
    share: float = 0.05,
) -> tuple[SparseScores, float, int]:
    """Score a checkpoint on sparsely labelled pictures, or those of a cross-validation, each on the part that it has not seen.

    Returns the scores, the config's threshold, and how many pictures were counted. Raises a UsageError if the folder
    or the config is of another kind, or no picture has such a name.

    Args:
        cfg (mmengine.Config): A binary segmentor's config; the pictures are scored at the size that it tests at.
        checkpoints (Sequence[str]): Its weights; several are those of fold 0, 1, ..., and the scores are of all together.
        folder (Path): With ``images``, ``masks`` and ``classes.txt``, as ``tools/prepare_data.py coco-to-masks`` writes them.
        rocks (Sequence[str]): The classes that are rock.
        prefixes (Sequence[str]): How names begin; the pictures of each are cut into folds by themselves, as in training.
        share (float): Of :class:`SparseScores`.
    """
    names = folder / 'classes.txt'
    if not names.is_file():
        raise UsageError(
            f'{folder} holds no classes.txt: make it with `python tools/prepare_data.py coco-to-masks JSON --images IMAGES '
            f'--out {folder}`.'
        )
    scores = SparseScores([line for line in read_lines(names) if line], rocks, share)
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
    pictures = 0
    for fold, checkpoint in enumerate(checkpoints):
        unseen = dict(split='test', fold=fold, folds=len(checkpoints)) if checkpoints[1:] else {}
        for prefix in prefixes:
            cfg.test_dataloader.dataset = common | unseen | dict(img_prefix=prefix, mask_prefix=prefix)
            predictions = CheckpointPredictions(cfg, checkpoint)
            if predictions.threshold is None:
                raise UsageError(
                    "outlined rocks are counted for a head of one channel, and the config's has several: choose a binary "
                    'config, such as configs/unet_baseline.py.'
                )
            for prediction in predictions:
                scores.add(prediction.truth, prediction.probabilities[1])
            pictures += len(predictions)
    return scores, predictions.threshold, pictures
