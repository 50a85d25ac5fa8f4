from collections.abc import Sequence

from mmseg.evaluation import IoUMetric
from mmseg.registry import METRICS

from custom_modules.usage_error import UsageError


@METRICS.register_module()
class ClassIoUMetric(IoUMetric):
    """mmseg's ``IoUMetric`` that also returns the scores of single classes.

    ``mIoU`` and ``mDice`` average over background and rock, and predicting no rock at all still scores an
    mDice of 48. A hook that chooses a checkpoint needs the rock's own Dice as a scalar: ``rock_Dice``,
    and beside it ``rock_IoU``, ``rock_Precision`` and ``rock_Recall``. All are in percent and, as in
    mmseg, counted over the pixels of the whole set, not averaged over images.

    Args:
        report_classes (Sequence[str]): The classes to report. Defaults to ``('rock',)``.
        iou_metrics (Sequence[str]): The means to report. Defaults to ``('mIoU', 'mDice')``.
        **kwargs: ``ignore_index``, ``output_dir``, ... of mmseg's ``IoUMetric``.

    Raises:
        UsageError: If the data set has no such class.
    """

    def __init__(
        self,
        report_classes: Sequence[str] = ('rock',),
        iou_metrics: Sequence[str] = ('mIoU', 'mDice'),
        **kwargs,
    ) -> None:
        super().__init__(iou_metrics=list(iou_metrics), **kwargs)
        self.report_classes = tuple(report_classes)

    def compute_metrics(self, results: list) -> dict[str, float]:
        """Compute the scores of the whole set.

        Args:
            results (list[tuple[Tensor]]): Intersection, union, prediction and label areas per image.

        Returns:
            dict[str, float]: ``aAcc``, the means, and the scores of each reported class in percent. A
            score without any pixel to count is 0 where the class exists in the labels (nothing
            was predicted) and nan where it does not.
        """
        metrics = super().compute_metrics(results)
        if self.format_only:
            return metrics
        intersect, union, predicted, labelled = (sum(areas) for areas in zip(*results, strict=True))
        classes = list(self.dataset_meta['classes'])
        for name in self.report_classes:
            if name not in classes:
                raise UsageError(
                    f'report_classes of ClassIoUMetric names {name!r}, but the data set has {", ".join(classes)}: '
                    'set it in val_evaluator and test_evaluator.'
                )
            i = classes.index(name)
            tp, present = float(intersect[i]), float(labelled[i]) > 0
            scores = {
                'Dice': (2 * tp, float(predicted[i] + labelled[i])),
                'IoU': (tp, float(union[i])),
                'Precision': (tp, float(predicted[i])),
                'Recall': (tp, float(labelled[i])),
            }
            for score, (part, whole) in scores.items():
                undefined = 0.0 if present else float('nan')
                metrics[f'{name}_{score}'] = 100 * part / whole if whole else undefined
        return metrics
