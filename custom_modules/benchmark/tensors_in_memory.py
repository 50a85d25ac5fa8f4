from collections.abc import Callable

import torch
from mmengine.dataset import pseudo_collate
from mmengine.registry import DATASETS
from torch import Tensor

from custom_modules.utils.errors import UsageError
from custom_modules.utils.machine import available_memory


def tensors_in_memory(
    dataset: dict,
    pipeline: list[dict],
    preprocessor,
    device: torch.device,
    label: Callable[[object], Tensor],
) -> tuple[Tensor, Tensor]:
    """Load a data set once and keep what the network sees of it.

    Args:
        dataset (dict): Its config.
        pipeline (list[dict]): What to load each sample with; nothing random.
        preprocessor (BaseDataPreprocessor): The model's, which normalises.
        device (torch.device): Where the tensors are to lie.
        label (Callable): Takes the label off a sample, as a tensor.

    Returns:
        tuple[Tensor, Tensor]: Images (N, H, W, 3) of floats, whose batches are channels-last views, and labels
        (N, ...).

    Raises:
        UsageError: If there is no room for them.
    """
    settings = {key: value for key, value in dataset.items() if key != 'cache'}
    samples = DATASETS.build(settings | dict(pipeline=pipeline))
    images, labels = None, []
    for i in range(len(samples)):
        batch = preprocessor(pseudo_collate([samples[i]]), False)
        image = batch['inputs'][0].permute(1, 2, 0)
        if images is None:
            _require_room(len(samples), image.nbytes, device)
            images = image.new_empty(len(samples), *image.shape, device=device)
        images[i] = image
        labels.append(label(batch['data_samples'][0]))
    return images, torch.stack(labels).to(device)


def _require_room(count: int, nbytes: int, device: torch.device) -> None:
    free = available_memory() if device.type == 'cpu' else torch.cuda.mem_get_info(device)[0]
    if free is not None and count * nbytes > 0.8 * free:
        raise UsageError(
            f'the limit holds {count} images as {count * nbytes / 1e6:.0f} MB of floats in memory, of which '
            f'{free / 1e6:.0f} MB are free: measure fewer with --pairs.'
        )
