"""Files of weights: reading, loading into a model, writing, averaging."""

import hashlib
import io
from collections.abc import Sequence
from pathlib import Path

import torch
import torch.nn as nn
from mmengine.registry import DATASETS, MODELS, init_default_scope
from mmengine.runner import load_checkpoint
from torch import Tensor

from custom_modules.datasets.masks import class_palette
from custom_modules.engine.config import find_class
from custom_modules.models.safe_loading import load_checkpoint_file, require_all_tensors
from custom_modules.utils.errors import UsageError
from custom_modules.utils.files import write_atomically


def read_weights(path: str | Path) -> dict[str, Tensor]:
    """Read the ``state_dict`` of a run's checkpoint or of a file of weights alone, by :func:`load_checkpoint_file`."""
    return load_checkpoint_file(path)['state_dict']


def load_model(cfg, checkpoint: str | Path) -> nn.Module:
    """Build a config's model with the weights of a checkpoint, in eval mode on the CPU.

    Raises a UsageError if the checkpoint cannot be read safely, or lacks some of the weights.
    """
    init_default_scope(cfg.default_scope)
    model = MODELS.build(cfg.model)
    require_all_tensors(model, str(checkpoint))
    load_checkpoint(model, str(checkpoint), map_location='cpu', logger='silent')
    return model.eval()


def read_classes(path: str | Path) -> dict | None:
    """Read ``classes`` and, of a segmentor, ``palette`` from a checkpoint's ``dataset_meta``; None where it has no classes."""
    meta = load_checkpoint_file(path)['meta'].get('dataset_meta')
    if not isinstance(meta, dict) or not meta.get('classes'):
        return None
    return {key: meta[key] for key in ('classes', 'palette') if meta.get(key) is not None}


def configured_classes(dataset: dict, scope: str) -> dict:
    """Return ``classes`` and, of a segmentor (scope ``'mmseg'``), ``palette`` of a data set's config, without its images.

    Raises a UsageError if the names are in files of the data set, and its folder is missing.
    """
    init_default_scope(scope)
    known = dict(getattr(find_class(DATASETS, scope, dataset), 'METAINFO', None) or {})
    known.update(dataset.get('metainfo') or {})
    known.update({key: dataset[key] for key in ('classes', 'palette') if dataset.get(key)})
    if scope == 'mmseg':
        classes = tuple(known['classes'])
        return dict(classes=classes, palette=class_palette(len(classes), known.get('palette')))
    return dict(classes=tuple(DATASETS.build(dict(dataset, pipeline=[], lazy_init=True, cache=None)).metainfo['classes']))


def write_weights(state: dict[str, Tensor], path: str | Path, dataset_meta: dict | None = None) -> str:
    """Write a checkpoint of weights alone, atomically, and return its SHA-256.

    ``dataset_meta`` holds ``classes`` and ``palette``, which the inferencers of mmseg and mmpretrain read from ``meta``.
    """
    # channels-last training leaves strided tensors, whose bytes differ from those of contiguous ones
    content = {'state_dict': {name: t.contiguous() for name, t in state.items()}}
    if dataset_meta is not None:
        content['meta'] = {'dataset_meta': dataset_meta}
    buffer = io.BytesIO()
    torch.save(content, buffer)
    write_atomically(path, buffer.getvalue())
    return hashlib.sha256(buffer.getvalue()).hexdigest()


def average_weights(states: Sequence[dict[str, Tensor]], shares: Sequence[float]) -> dict[str, Tensor]:
    """Average models that were fine-tuned from the same weights (`Model soups <https://arxiv.org/abs/2203.05482>`_).

    Integers, such as a batch norm's counter, are taken from the first. ``shares``, one per model, add up to 1. Raises a
    UsageError if shares, names or shapes do not fit.
    """
    if len(shares) != len(states):
        raise UsageError(f'{len(states)} checkpoints need as many shares, got {len(shares)}.')
    if abs(sum(shares) - 1) > 1e-6:
        raise UsageError(f'the shares add up to 1, got {" + ".join(map(str, shares))}.')
    first = states[0]
    for number, state in enumerate(states[1:], 2):
        if state.keys() != first.keys():
            name = min(state.keys() ^ first.keys())
            raise UsageError(f'checkpoints 1 and {number} are of two architectures: {name} is in one of them only.')
        for name, tensor in state.items():
            if tensor.shape != first[name].shape:
                raise UsageError(
                    f'checkpoints 1 and {number} are of two sizes: {name} is {tuple(first[name].shape)} and {tuple(tensor.shape)}.'
                )
    averaged = {name: tensor.clone() for name, tensor in first.items()}
    for name, tensor in first.items():
        if tensor.is_floating_point():
            pairs = zip(shares, states, strict=True)
            averaged[name] = sum(share * state[name].double() for share, state in pairs).to(tensor)
    return averaged
