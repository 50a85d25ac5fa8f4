from collections.abc import Sequence

import numpy as np
import pandas as pd

from custom_modules.evaluation.confusion_scores import ConfusionScores
from custom_modules.evaluation.prediction import Prediction

from .banded_confusion import BandedConfusion
from .brightness_groups import brightness_groups
from .calibration import Calibration
from .frequent_confusions import frequent_confusions
from .horizon_bands import HORIZON_BANDS, horizon_bands
from .image_row import image_row
from .object_sizes import ObjectSizes
from .row_bands import ROW_BANDS, row_bands
from .threshold_sweep import ThresholdSweep


class ErrorAnalysis:
    """Looks at predictions from all sides: by image, object size, place, brightness, probability, outline.

    Scores are in percent and, but for those of single images and outlines, pooled over the pixels of the set; probabilities
    and thresholds are from 0 to 1. Pixels of 255 are left out everywhere.

    Args:
        classes (Sequence[str]): Names of the classes, the background first. If one is called sky, scores by the distance
            below the horizon are counted as well.
        threshold (float | None): Of a head with one channel, None of one with several.
        tolerance (float, optional): Of ``boundary_f1``, in pixels; by default 0.75 % of each image's diagonal.

    Attributes:
        sweep (ThresholdSweep | None): Of a head with one channel: each threshold's scores.
    """

    def __init__(
        self, classes: Sequence[str], threshold: float | None, tolerance: float | None = None
    ) -> None:
        self.classes = tuple(classes)
        self.tolerance = tolerance
        self.images: list[dict] = []
        self.confusions: list[np.ndarray] = []
        self.sizes = ObjectSizes(classes)
        self.rows = BandedConfusion(classes, ROW_BANDS)
        lower = [name.lower() for name in classes]
        self.sky = lower.index('sky') if 'sky' in lower else None
        self.below_horizon = BandedConfusion(classes, HORIZON_BANDS)
        self.calibration = Calibration()
        self.sweep = ThresholdSweep() if threshold is not None else None

    def add(self, prediction: Prediction) -> None:
        """Count one image.

        Args:
            prediction (Prediction): The image.
        """
        truth, predicted = prediction.truth, prediction.predicted
        self.images.append(image_row(prediction, self.classes, self.tolerance))
        self.confusions.append(prediction.scores.confusion)
        self.sizes.add(prediction)
        self.rows.add(row_bands(len(truth)), truth, predicted)
        if self.sky is not None:
            self.below_horizon.add(horizon_bands(truth, self.sky), truth, predicted)
        self.calibration.add(prediction)
        if self.sweep:
            self.sweep.add(prediction)

    def results(self) -> dict:
        """Sum up.

        Returns:
            dict: ``images`` (a table), ``means``, ``scores`` (a table by class), ``confusion``, ``confusions`` (the most
            frequent, a table), ``object_sizes``, ``rows``, ``horizon`` (None without sky), ``brightness`` (tables),
            ``calibration``.
        """
        confusion = sum(self.confusions)
        images = pd.DataFrame(self.images)
        scores = pd.DataFrame({'class': self.classes, **ConfusionScores(confusion).by_class()})
        outlines = [images.get(f'{name}_boundary_F1') for name in self.classes]
        scores['boundary_F1'] = [np.nan if own is None else own.mean() for own in outlines]
        horizon = self.below_horizon.table()
        if self.sky is not None:
            horizon = horizon[horizon['class'] != self.classes[self.sky]]
        probability, right = self.calibration.means
        return dict(
            images=images,
            # of no class but the background: the means alone
            means=ConfusionScores(confusion).named(self.classes[:1]),
            scores=scores,
            confusion=confusion,
            confusions=frequent_confusions(confusion, self.classes),
            object_sizes=self.sizes.table(),
            rows=self.rows.table(),
            horizon=None if self.sky is None else horizon,
            brightness=brightness_groups(images.brightness, self.confusions, self.classes),
            calibration=dict(
                bins=self.calibration.table(),
                ece=self.calibration.ece,
                mean_probability=probability,
                mean_right=right,
            ),
        )
