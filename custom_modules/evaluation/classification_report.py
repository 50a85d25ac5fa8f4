"""Scores of a classifier: accuracy, and precision, recall and F1 of each class."""

import json
import math
from collections.abc import Sequence
from pathlib import Path

import numpy as np
import torch
from mmengine.logging import MMLogger
from mmpretrain.evaluation import Accuracy, ConfusionMatrix, SingleLabelMetric
from mmpretrain.registry import METRICS

from custom_modules.evaluation.confusion import draw_confusion
from custom_modules.utils.errors import UsageError
from custom_modules.utils.files import require_absent, write_atomically
from custom_modules.utils.tables import text_table


class CountsBatches:
    """Mixin for mmpretrain's metrics to also take a whole batch as one sample, as ``BatchClassifier`` predicts it.

    The predictions stay on their device until the validation ends, so that it does not wait for a GPU in between.
    """

    def process(self, data_batch, data_samples: Sequence[dict]) -> None:
        """Store the predictions: samples of one image each, or one with ``pred_score`` (N, classes)."""
        for sample in data_samples:
            if sample.get('pred_score') is not None and sample['pred_score'].ndim == 2:
                self.results.append((sample['pred_score'], sample['gt_label']))
            else:
                super().process(data_batch, [sample])

    def evaluate(self, size: int) -> dict[str, float]:
        """Compute the scores of a data set of ``size`` images."""
        batches = [result for result in self.results if isinstance(result, tuple)]
        if batches:
            scores, labels = (torch.cat(column).cpu() for column in zip(*batches, strict=True))
            pairs = zip(scores, labels.split(1), strict=True)
            self.results = [dict(pred_score=score, gt_label=label) for score, label in pairs]
        return super().evaluate(size)


# also in place of mmpretrain's own, so that a config that names these can have whole batches
for metric in (Accuracy, ConfusionMatrix, SingleLabelMetric):
    name = f'Batch{metric.__name__}'
    METRICS.register_module([metric.__name__, name], force=True, module=type(name, (CountsBatches, metric), {}))


@METRICS.register_module()
class ClassificationReport(CountsBatches, SingleLabelMetric):
    """Macro precision, recall and F1 by mmpretrain; with an ``out_dir`` also the scores of each class and the confusion matrix.

    The results are ``report/macro_precision``, ``report/macro_recall`` and ``report/macro_f1``. With an ``out_dir``, which
    ``tools/test.py`` sets to the run's folder, a table goes to the log, ``confusion_matrix.png`` and
    ``classification_report.json`` to that folder. All but counts is in percent:

    - ``images`` (how many), ``top1``, and with more than five classes ``top5``
    - ``macro``: ``precision``, ``recall``, ``f1``
    - ``classes``: per class ``name``, ``precision``, ``recall``, ``f1``, ``images``
    - ``confusion_counts``: rows are the true classes, columns the predicted ones
    - ``confusion_matrix``: the same, each row a share of its class's images

    A class that is never predicted has precision and F1 0; one without images has no scores (null) and no part in the means.

    Args:
        out_dir (str, optional): Folder for the files, without a report (else a UsageError). By default nothing is written.
        collect_device, prefix: Of mmengine's ``BaseMetric``.
    """

    default_prefix = 'report'
    FILES = ('classification_report.json', 'confusion_matrix.png')

    def __init__(self, out_dir: str | None = None, collect_device: str = 'cpu', prefix: str | None = None) -> None:
        super().__init__(collect_device=collect_device, prefix=prefix)
        self.out_dir = out_dir
        if out_dir:
            for name in self.FILES:
                require_absent(Path(out_dir, name), 'choose another out_dir')

    def compute_metrics(self, results: list[dict]) -> dict[str, float]:
        """Compute the macro means from ``pred_score`` and ``gt_label`` of each image, and write the report."""
        scores = torch.stack([result['pred_score'] for result in results])
        report = self.report(scores, torch.cat([result['gt_label'] for result in results]))
        if self.out_dir:
            log, names = MMLogger.get_current_instance().info, [row['name'] for row in report['classes']]
            rows = [list(row.values()) for row in report['classes']]
            rows.append(['macro mean', *report['macro'].values(), report['images']])
            log(text_table('Scores per class (%)', ('class', 'precision', 'recall', 'F1', 'images'), rows))
            # float makes None nan
            picture = draw_confusion(np.array(report['confusion_matrix'], float), names)
            for name, content in zip(self.FILES, (json.dumps(report, allow_nan=False).encode(), picture), strict=True):
                write_atomically(Path(self.out_dir, name), content)
            log(f'{" and ".join(self.FILES)} are in {self.out_dir}')
        return {f'macro_{name}': value for name, value in report['macro'].items()}

    def report(self, scores: torch.Tensor, labels: torch.Tensor) -> dict:
        """Compute the report, ready for JSON, from scores (images, classes) and true class indices (images,)."""
        names = list((self.dataset_meta or {}).get('classes') or map(str, range(scores.shape[1])))
        if len(names) != scores.shape[1]:
            raise UsageError(
                f'the model scores {scores.shape[1]} classes, but the data set has {len(names)}: set '
                f'model.head.num_classes={len(names)}, or choose the data set that the model was trained on.'
            )
        topk = (1, 5) if len(names) > 5 else (1,)
        # no thresholds: the highest score is the prediction, as in the confusion matrix
        accuracies = Accuracy.calculate(scores, labels, topk=topk, thrs=(None,))
        ((*columns, images),) = self.calculate(scores, labels, thrs=(None,), average=None)
        columns = dict(zip(('precision', 'recall', 'f1'), columns, strict=True))
        counts = ConfusionMatrix.calculate(scores, labels)
        # nan for a class without images
        shares = 100 * counts / images[:, None]
        classes = []
        for i, name in enumerate(names):
            values = {k: _rounded(c[i].item()) if images[i] else None for k, c in columns.items()}
            classes.append(dict(name=name, **values, images=images[i].item()))
        return dict(
            images=len(labels),
            **{f'top{k}': _rounded(value[0].item()) for k, value in zip(topk, accuracies, strict=True)},
            macro={key: _rounded(c[images > 0].mean().item()) for key, c in columns.items()},
            classes=classes,
            confusion_counts=counts.tolist(),
            confusion_matrix=[[_rounded(share) for share in row] for row in shares.tolist()],
        )


def _rounded(value: float) -> float | None:
    return None if math.isnan(value) else round(value, 4)
