import copy
from collections.abc import Sequence
from pathlib import Path

from torch.utils.data import DataLoader

from custom_modules.evaluation.checkpoint_predictions import CheckpointPredictions

from .chosen_images import ChosenImages


def chosen_predictions(
    predictions: CheckpointPredictions, chosen: Sequence[int | str | Path]
) -> CheckpointPredictions:
    """Predict some images only, with the model that is loaded already.

    Args:
        predictions (CheckpointPredictions): The model and its data; it stays as it is.
        chosen (Sequence[int | str | Path]): Indices in the data set, and image files that need not be in it; those get a
            truth of 255, without any class.

    Returns:
        CheckpointPredictions: The chosen images, in their order.
    """
    own = copy.copy(predictions)
    images = ChosenImages(predictions.loader.dataset, chosen)
    # one at a time: files may differ in size
    own.loader = DataLoader(images, batch_size=1, collate_fn=predictions.loader.collate_fn)
    return own
