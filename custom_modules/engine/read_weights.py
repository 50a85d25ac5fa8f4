from pathlib import Path
from pickle import UnpicklingError

import torch
from torch import Tensor

from custom_modules.usage_error import UsageError


def read_weights(path: str | Path) -> dict[str, Tensor]:
    """Read the ``state_dict`` of a checkpoint, and nothing that could run code.

    Args:
        path (str | Path): Checkpoint of a run, or of nothing but weights.

    Raises:
        UsageError: If there is no such file, or it is damaged, unsafe or holds no ``state_dict``.
    """
    if not Path(path).is_file():
        raise UsageError(f'there is no checkpoint {path}.')
    try:
        loaded = torch.load(path, map_location='cpu', weights_only=True)
    except (UnpicklingError, RuntimeError, EOFError) as error:
        raise UsageError(
            f'{path} is damaged or holds more than tensors and plain values: take a checkpoint of this project.'
        ) from error
    if not isinstance(loaded, dict) or 'state_dict' not in loaded:
        raise UsageError(f'{path} has no state_dict: take a checkpoint that tools/train.py wrote.')
    return loaded['state_dict']
