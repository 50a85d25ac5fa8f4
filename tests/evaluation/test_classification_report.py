"""The report's numbers equal a computation by hand, and only a test writes them."""

import json
import warnings

import pytest
import torch
from PIL import Image

from custom_modules.evaluation.classification_report import ClassificationReport
from custom_modules.utils.errors import UsageError

# rows: true cat, dog, owl; a column each
COUNTS = [[3, 1, 0], [2, 2, 0], [1, 0, 1]]


def samples(counts):
    """One image per count: its highest score in the column, its second highest in the row."""
    found = []
    for label, row in enumerate(counts):
        for predicted, count in enumerate(row):
            score = torch.full((len(row),), 0.1)
            score[label] = 0.5
            score[predicted] = 0.9
            found += [dict(pred_score=score, gt_label=torch.tensor([label]))] * count
    return found


def evaluate(counts, classes, out_dir=None):
    metric = ClassificationReport(out_dir=out_dir)
    metric.dataset_meta = dict(classes=classes)
    images = samples(counts)
    metric.process({}, images)
    with warnings.catch_warnings():
        warnings.simplefilter('error')
        return metric.evaluate(len(images))


def read(folder):
    # null is fine, nan is no JSON
    text = (folder / 'classification_report.json').read_text()
    return json.loads(text, parse_constant=lambda name: pytest.fail(f'{name} in the file'))


def test_equals_a_computation_by_hand(tmp_path):
    scalars = evaluate(COUNTS, ('cat', 'dog', 'owl'), str(tmp_path))
    precision, recall = [3 / 6, 2 / 3, 1 / 1], [3 / 4, 2 / 4, 1 / 2]
    f1 = [2 * p * r / (p + r) for p, r in zip(precision, recall, strict=True)]
    report = read(tmp_path)
    assert report['images'] == 10 and report['top1'] == pytest.approx(60)
    for key, values in (('precision', precision), ('recall', recall), ('f1', f1)):
        assert [row[key] for row in report['classes']] == pytest.approx([100 * v for v in values], abs=1e-3), key
        assert report['macro'][key] == pytest.approx(100 * sum(values) / 3, abs=1e-3)
        assert scalars[f'report/macro_{key}'] == report['macro'][key]
    assert [(row['name'], row['images']) for row in report['classes']] == [('cat', 4), ('dog', 4), ('owl', 2)]
    assert report['confusion_counts'] == COUNTS
    assert report['confusion_matrix'] == [[75, 25, 0], [50, 50, 0], [50, 0, 50]]
    with Image.open(tmp_path / 'confusion_matrix.png') as picture:
        assert min(picture.size) > 300
    with pytest.raises(UsageError, match='classification_report.json exists'):
        ClassificationReport(out_dir=str(tmp_path))
    with pytest.raises(UsageError, match='scores 3 classes, but the data set has 2.*num_classes=2'):
        evaluate(COUNTS, ('cat', 'dog'))


def test_never_predicted_is_0_and_never_seen_is_null(tmp_path):
    scalars = evaluate([[2, 0, 1], [1, 0, 0], [0, 0, 0]], ('cat', 'dog', 'owl'), str(tmp_path))
    cat, dog, owl = read(tmp_path)['classes']
    assert (dog['precision'], dog['recall'], dog['f1']) == (0, 0, 0)
    assert (owl['precision'], owl['recall'], owl['f1'], owl['images']) == (None, None, None, 0)
    assert read(tmp_path)['confusion_matrix'][2] == [None, None, None]
    # the mean is over the classes that have images
    assert scalars['report/macro_recall'] == pytest.approx(100 * (2 / 3 + 0) / 2, abs=1e-3)
