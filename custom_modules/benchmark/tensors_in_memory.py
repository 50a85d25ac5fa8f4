import torch
from mmengine.dataset import pseudo_collate
from mmengine.registry import DATASETS
from torch import Tensor


def tensors_in_memory(
    dataset: dict, pipeline: list[dict], preprocessor, device
) -> tuple[Tensor, Tensor]:
    """Load a data set once and keep what the network sees of it.

    Args:
        dataset (dict): Its config.
        pipeline (list[dict]): What to load each pair with; nothing random.
        preprocessor (BaseDataPreprocessor): The model's, which normalises.
        device (torch.device): Where the tensors are to lie.

    Returns:
        tuple[Tensor, Tensor]: Images (N, H, W, 3) of floats, whose batches are channels-last views, and labels
        (N, H, W).
    """
    settings = {key: value for key, value in dataset.items() if key != 'cache'}
    pairs = DATASETS.build(settings | dict(pipeline=pipeline, test_mode=True))
    images, labels = [], []
    for i in range(len(pairs)):
        batch = preprocessor(pseudo_collate([pairs[i]]), False)
        images.append(batch['inputs'][0].permute(1, 2, 0))
        labels.append(batch['data_samples'][0].gt_sem_seg.data[0].long())
    return torch.stack(images).to(device), torch.stack(labels).to(device)
