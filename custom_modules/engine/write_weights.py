import hashlib
import io
from pathlib import Path

import torch
from torch import Tensor

from .atomic_local_backend import AtomicLocalBackend


def write_weights(state: dict[str, Tensor], path: str | Path) -> str:
    """Write a checkpoint of nothing but weights, in one piece or not at all.

    Args:
        state (dict[str, Tensor]): The ``state_dict``.
        path (str | Path): File to write.

    Returns:
        str: The file's SHA-256.
    """
    # channels-last training leaves strided tensors; contiguous ones load the same and depend on nothing
    buffer = io.BytesIO()
    torch.save({'state_dict': {name: t.contiguous() for name, t in state.items()}}, buffer)
    AtomicLocalBackend().put(buffer.getvalue(), str(path))
    return hashlib.sha256(buffer.getvalue()).hexdigest()
