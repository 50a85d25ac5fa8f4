from pathlib import Path

import numpy as np
from mmengine.structures import BaseDataElement
from mmengine.visualization import LocalVisBackend, Visualizer

from .decoded_picture import decoded_picture


def draw_sample(
    visualizer: Visualizer,
    image: np.ndarray,
    sample: BaseDataElement,
    folder: Path,
    name: str,
    epoch: int,
) -> None:
    """Draw one sample as a run's visualizer does, to a file of its epoch and to the run's trackers.

    Args:
        visualizer (Visualizer): The run's.
        image (np.ndarray): RGB (H, W, 3), uint8.
        sample (BaseDataElement): Its truth and prediction.
        folder (Path): Gets ``<name>_epoch_<epoch>.png``.
        name (str): The sample's; with ``fixed_samples/`` before it the trackers' tag.
        epoch (int): The trackers' step.
    """
    file = folder / f'{name}_epoch_{epoch:03d}.png'
    visualizer.add_datasample(name, image, sample, out_file=str(file))
    # as drawn by any of mmseg's visualizers, which either write or hand on
    panel = decoded_picture(file.read_bytes())
    for backend in visualizer._vis_backends.values():
        # its file names do not sort by epoch, and the file is there
        if not isinstance(backend, LocalVisBackend):
            # MLflow makes a file of it, and goes by the extension
            backend.add_image(f'{folder.name}/{name}.png', panel, epoch)
