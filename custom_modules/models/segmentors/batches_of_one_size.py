from itertools import groupby


def batches_of_one_size(data: dict) -> list[dict]:
    """Split a batch whose images differ in size, which no network takes at once, into ones that it does.

    Args:
        data (dict): A batch of a data loader: ``inputs``, images (C, H, W), and perhaps ``data_samples``.

    Returns:
        list[dict]: Batches of neighbours of one size, in their order; the batch itself where all have one.

    Example:
        >>> import torch
        >>> small, large = torch.rand(3, 8, 8), torch.rand(3, 8, 12)
        >>> parts = batches_of_one_size(dict(inputs=[small, small, large], data_samples=[0, 1, 2]))
        >>> [part['data_samples'] for part in parts]
        [[0, 1], [2]]
    """
    sizes = [tuple(image.shape) for image in data['inputs']]
    if len(set(sizes)) == 1:
        return [data]
    runs = [list(run) for _, run in groupby(range(len(sizes)), key=sizes.__getitem__)]
    return [
        {key: [values[i] for i in run] for key, values in data.items() if values is not None}
        for run in runs
    ]
