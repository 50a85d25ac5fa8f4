from custom_modules.evaluation.checkpoint_predictions import CheckpointPredictions

from .chosen_images import image_paths
from .error_analysis import ErrorAnalysis
from .threshold_choice import threshold_choice
from .threshold_sweep import ThresholdSweep


def checkpoint_analysis(
    cfg, checkpoint: str, part: str = 'test', tolerance: float | None = None
) -> tuple[dict, dict]:
    """Analyse the errors of a checkpoint on a part of its config's data.

    Args:
        cfg (mmengine.Config): A segmentor's config.
        checkpoint (str): Its weights.
        part (str): ``'test'`` (default), ``'val'`` or ``'train'``. The threshold is chosen on ``'val'`` all the same, which
            is predicted as well if it is other data.
        tolerance (float, optional): Of ``boundary_f1``, in pixels.

    Returns:
        tuple[dict, dict]: What was analysed, and its results, as :func:`write_analysis` takes them.

    Raises:
        UsageError: As ``CheckpointPredictions``.
    """
    predictions = CheckpointPredictions(cfg, checkpoint, part)
    analysis = ErrorAnalysis(predictions.classes, predictions.threshold, tolerance)
    sizes = set()
    for prediction in predictions:
        analysis.add(prediction)
        sizes.add(f'{prediction.truth.shape[1]}x{prediction.truth.shape[0]}')
    results = analysis.results()
    results['thresholds'] = None
    if analysis.sweep and cfg.get('val_dataloader'):
        val, same_data = analysis.sweep, True
        if cfg.val_dataloader.dataset != cfg[f'{part}_dataloader'].dataset:
            val = ThresholdSweep()
            others = CheckpointPredictions(cfg, checkpoint, 'val')
            for prediction in others:
                val.add(prediction)
            # perhaps the same images at another size
            own, val_images = (image_paths(each.loader.dataset) for each in (predictions, others))
            same_data = not set(own).isdisjoint(val_images)
        dice = float(results['scores'].Dice[1])
        results['thresholds'] = threshold_choice(
            val, analysis.sweep, predictions.threshold, dice, same_data
        )
    run = dict(
        checkpoint=str(checkpoint),
        part=part,
        size=sizes.pop() if len(sizes) == 1 else f'{len(sizes)} sizes',
        threshold=predictions.threshold,
        tolerance=tolerance,
    )
    return run, results
