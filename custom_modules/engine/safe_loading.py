"""Checkpoints are loaded as data, never as code.

mmengine's OneDL release tries ``torch.load(weights_only=True)`` and, when that fails, silently goes on
without it: a stranger's ``.pth`` can then run any code. With ``TORCH_FORCE_WEIGHTS_ONLY_LOAD`` safe
loading is the only loading; the types below are those that mmengine itself puts into a checkpoint, so
that a resume works (also with upstream's mmengine 0.10.7 under torch >= 2.6, which cannot otherwise).
"""

import os
from pickle import UnpicklingError

import numpy as np
import torch
from mmengine.logging import HistoryBuffer
from mmengine.runner import checkpoint

os.environ['TORCH_FORCE_WEIGHTS_ONLY_LOAD'] = '1'


def _statistics_method(owner: type, name: str):
    """Stand in for ``getattr`` in a checkpoint, where it names methods of ``HistoryBuffer`` and nothing else."""
    if owner is not HistoryBuffer or name.startswith('_'):
        raise UnpicklingError(f'getattr({owner!r}, {name!r}) in a checkpoint is not allowed')
    return getattr(HistoryBuffer, name)


_NUMPY_CORE = np._core if hasattr(np, '_core') else np.core

torch.serialization.add_safe_globals(
    [
        HistoryBuffer,
        (_statistics_method, 'builtins.getattr'),
        np.ndarray,
        np.dtype,
        _NUMPY_CORE.multiarray._reconstruct,
        _NUMPY_CORE.multiarray.scalar,
        *{type(np.dtype(kind)) for kind in ('bool', 'i4', 'i8', 'u1', 'u4', 'u8', 'f4', 'f8')},
    ]
)

# OneDL's own list allows plain getattr, and takes its types out of torch's set after each load, also
# those that were there before: the list above replaces it
if hasattr(checkpoint, 'get_torch_safe_globals'):
    checkpoint.get_torch_safe_globals = list
