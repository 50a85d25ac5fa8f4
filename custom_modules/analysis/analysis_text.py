import numpy as np
import pandas as pd

from .calibration import BINS
from .markdown_table import markdown_table

PERCENT = {
    'Dice': 'Dice %', 'IoU': 'IoU %', 'precision': 'precision %', 'recall': 'recall %',
    'boundary_F1': 'boundary F1 %', 'share': 'share of its pixels %',
}  # fmt: skip
SIZES = {
    'size': 'size (pixels)', 'recall': 'pixels found %', 'found': 'objects found %',
    'predicted': 'predicted objects', 'false_alarms': 'false alarms %',
}  # fmt: skip


def analysis_text(run: dict, results: dict) -> str:
    """Write an analysis for readers, in Markdown; pictures are linked by their names.

    Args:
        run (dict): What was analysed, as for :func:`write_analysis`.
        results (dict): Of :class:`ErrorAnalysis`, with ``thresholds``.
    """
    means = results['means']
    nearness = run['tolerance']
    nearness = f'{nearness:g} pixels' if nearness else '0.75 % of the diagonal, 1 pixel at least'
    lines = [
        f'# Errors on the {run["part"]} part',
        f'{len(results["images"])} images at {run["size"]}, config `{run["config"]}`, checkpoint `{run["checkpoint"]}`. Scores are in '
        'percent and count the pixels of all images together, unless something else is said; a dash is where there is '
        'nothing to count. All numbers are in [analysis.json](analysis.json), every image is in [images.csv](images.csv).',
        '## Scores',
        f'mDice {means["mDice"]:.2f}, mIoU {means["mIoU"]:.2f} (with the background), pixel accuracy {means["aAcc"]:.2f}. '
        f'Boundary F1 is the mean over the images; a boundary counts as found within {nearness}.',
        markdown_table(results['scores'], PERCENT),
        '## What is taken for what',
        '![confusion matrix](confusion.png)',
        '\n'.join(f'- {words}' for words in results['confusions'].words) or 'Nothing is confused.',
        '## By size of the objects',
        'An object is a connected area of one class (8-connectivity). It is found if at least half of its pixels are; a '
        'predicted object is a false alarm if none of its pixels is true.',
        *_objects(results['object_sizes']),
        '## By row of the image',
        'Bands from the top, in percent of the height.',
        '![scores by row](rows.png)',
        markdown_table(results['rows'], PERCENT),
    ]
    if results['horizon'] is not None:
        lines += [
            '## By distance below the horizon',
            'In percent of the height; the horizon is the lowest pixel of sky in each column, columns without sky are left out.',
            '![scores by distance](horizon.png)',
            markdown_table(results['horizon'], PERCENT),
        ]
    lines += [
        '## By brightness',
        'Quarters of the images from dark to bright, by the mean of their pixels (0 to 255).',
        '![scores by brightness](brightness.png)',
        markdown_table(results['brightness'], PERCENT),
        '## Calibration',
        _calibration(results),
        '![reliability curve](calibration.png)',
        *_threshold(results['thresholds'], run['part']),
        '## The hardest images',
        'By their own Dice, the mean over the classes but the background.',
        markdown_table(_hardest(results), PERCENT),
    ]
    return '\n\n'.join(lines) + '\n'


def _objects(table: pd.DataFrame) -> list[str]:
    if not len(table):
        return ['There are no objects, neither true nor predicted.']
    return ['![found and invented objects by size](object_sizes.png)', markdown_table(table, SIZES)]


def _calibration(results: dict) -> str:
    found, classes = results['calibration'], list(results['scores']['class'])
    what = f'probability of {classes[1]}' if len(classes) == 2 else "predicted class's probability"
    share = f'share of {classes[1]}' if len(classes) == 2 else 'share of pixels that are right'
    return (
        f'Expected calibration error **{found["ece"]:.4f}** (0 is perfect, 1 the worst; {BINS} bins of the same width over the {what}, '
        f'weighted by pixels). The mean {what} is {found["mean_probability"]:.4f}, the {share} {found["mean_right"]:.4f}.'
    )


def _threshold(chosen: dict | None, part: str) -> list[str]:
    lines = ['## Threshold']
    if not chosen:
        return [*lines, 'Not swept: the head has several channels, or there is no validation part.']
    caution = (
        'It was **chosen on the same data**, so the gain is too good.'
        if chosen['same_data']
        else 'It was chosen on the validation part, which is other data.'
    )
    return [
        *lines,
        f'The best Dice on the validation part, {chosen["val_dice"]:.2f}, is at the threshold **{chosen["best"]:g}**. On the {part} '
        f'part it scores {chosen["dice"]:.2f}, the threshold of the config ({chosen["default"]:g}) {chosen["default_dice"]:.2f}. {caution}',
        f'```python\n{chosen["config"]}\n```',
        '![scores by threshold](thresholds.png)',
    ]


def _hardest(results: dict, count: int = 10) -> pd.DataFrame:
    images = results['images']
    names = list(results['scores']['class'])[1:]
    shares = [f'{name}_true_share' for name in names]
    own = images[[f'{name}_Dice' for name in names]].mean(axis=1, skipna=True)
    table = pd.DataFrame(
        {
            'image': images.name,
            'Dice': own,
            'share of objects %': images[shares].sum(axis=1),
            'brightness': images.brightness,
        }
    )
    return table[np.isfinite(own)].sort_values('Dice', kind='stable').head(count)
