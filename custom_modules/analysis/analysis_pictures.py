from .draw_calibration import draw_calibration
from .draw_groups import draw_groups
from .draw_pixel_confusion import draw_pixel_confusion
from .draw_sweep import draw_sweep

SCORES = dict(Dice='Dice', precision='precision', recall='recall')


def analysis_pictures(results: dict) -> dict[str, bytes]:
    """Draw what there is to see in an analysis.

    Args:
        results (dict): Of :class:`ErrorAnalysis`, with ``thresholds``.

    Returns:
        dict[str, bytes]: File names and pictures, PNG.
    """
    classes = list(results['scores']['class'])
    sizes = dict(
        recall='pixels found',
        found='objects found (half or more)',
        false_alarms='predicted objects that are none',
    )
    calibration = results['calibration']
    rock = f'of {classes[1]}' if len(classes) == 2 else 'of the predicted class'
    right = f'share that is {classes[1]}' if len(classes) == 2 else 'share that is right'
    title = f'Expected calibration error {calibration["ece"]:.3f}'
    pictures = {
        'confusion.png': draw_pixel_confusion(results['confusion'], classes),
        'rows.png': draw_groups(results['rows'], 'band', SCORES, '% of the height from the top'),
        'brightness.png': draw_groups(
            results['brightness'],
            'brightness',
            SCORES,
            'mean brightness (0 to 255), in brackets the number of images',
            'images',
        ),
        'calibration.png': draw_calibration(
            calibration['bins'], f'probability {rock}', right, title
        ),
    }
    if len(results['object_sizes']):
        label = 'area (pixels), in brackets the number of true objects'
        table = results['object_sizes']
        pictures['object_sizes.png'] = draw_groups(table, 'size', sizes, label, 'objects')
    if results['horizon'] is not None:
        label = "distance below the horizon (% of the image's height)"
        pictures['horizon.png'] = draw_groups(results['horizon'], 'band', SCORES, label)
    chosen = results['thresholds']
    if chosen:
        title = f'{classes[1]} on the validation part'
        args = chosen['val'], chosen['default'], chosen['best'], title
        pictures['thresholds.png'] = draw_sweep(*args)
    return pictures
