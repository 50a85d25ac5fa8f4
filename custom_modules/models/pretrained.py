"""Weights that a model starts from: whether a checkpoint fills it."""

from http.client import HTTPException

import torch.nn as nn
from mmengine.runner.checkpoint import CheckpointLoader

from custom_modules.models import safe_loading  # noqa: F401  (its import closes the unsafe path)
from custom_modules.utils.errors import UsageError


def require_all_tensors(
    module: nn.Module, checkpoint: str, prefix: str = '', part: str = 'backbone'
) -> int:
    """Make sure that a checkpoint provides every tensor of a module, before it is loaded.

    mmengine loads with ``strict=False``: with a forgotten prefix, or the checkpoint of another
    architecture, it goes on from random weights with only a warning.

    Args:
        module (nn.Module): What is to be filled.
        checkpoint (str): File, or address that mmengine understands.
        prefix (str): What the checkpoint's keys have before the module's own. Defaults to ``''``.
        part (str): The module's name in the model, for the error's sentence. Defaults to ``'backbone'``.

    Returns:
        int: How many tensors will be loaded: all of the module's.

    Raises:
        UsageError: If the checkpoint cannot be read safely, or a tensor is missing or of another shape.
    """
    try:
        loaded = CheckpointLoader.load_checkpoint(checkpoint, map_location='cpu', logger='silent')
    except (OSError, HTTPException) as error:
        raise UsageError(
            f'{checkpoint} could not be read or downloaded ({getattr(error, "reason", error)}): without a network, write '
            f'`model = dict({part}=dict(init_cfg=None))` in the config to train from random weights, or there as '
            'checkpoint the path of a file that was downloaded elsewhere.'
        ) from error
    state = loaded.get('state_dict', loaded)
    prefix = f'{prefix.rstrip(".")}.' if prefix else ''
    # the counters of batch norm mean nothing here, and older files lack them
    wanted = {
        name: tensor
        for name, tensor in module.state_dict().items()
        if not name.endswith('num_batches_tracked')
    }
    found = sum(
        f'{prefix}{name}' in state and state[f'{prefix}{name}'].shape == tensor.shape
        for name, tensor in wanted.items()
    )
    if found < len(wanted):
        raise UsageError(
            f'only {found} of {len(wanted)} tensors of {type(module).__name__} are in {checkpoint} '
            f'with prefix {prefix!r} (it begins with {next(iter(state), "nothing")!r}): give the checkpoint of '
            'this architecture, and for a part of it the prefix.'
        )
    return found


def require_pretrained(model: nn.Module) -> None:
    """Make sure that every ``Pretrained`` checkpoint in a model can be loaded, and provides all of its part.

    Args:
        model (nn.Module): The model, as built and before ``init_weights``.

    Raises:
        UsageError: As :func:`require_all_tensors`; a download that fails is one of the reasons.
    """
    for name, module in model.named_modules():
        configs = getattr(module, 'init_cfg', None) or {}
        for cfg in configs if isinstance(configs, list) else [configs]:
            if cfg.get('type') == 'Pretrained':
                require_all_tensors(module, cfg['checkpoint'], cfg.get('prefix') or '', name)
