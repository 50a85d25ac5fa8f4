"""Weights in files: read, loaded into a model, written, averaged."""

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
from custom_modules.models.safe_loading import load_checkpoint_file, require_all_tensors
from custom_modules.utils.errors import UsageError
from custom_modules.utils.files import write_atomically


def read_weights(path: str | Path) -> dict[str, Tensor]:
    """Read the ``state_dict`` of a checkpoint of a run, or of nothing but weights, as :func:`load_checkpoint_file`."""
    return load_checkpoint_file(path)['state_dict']


def load_model(cfg, checkpoint: str | Path) -> nn.Module:
    """Build the model of a segmentor's or classifier's config with all weights of a checkpoint, in eval mode on the CPU.

    Raises a UsageError if the checkpoint cannot be read safely, or does not fill the model.
    """
    init_default_scope(cfg.default_scope)
    model = MODELS.build(cfg.model)
    require_all_tensors(model, str(checkpoint), part='model')
    load_checkpoint(model, str(checkpoint), map_location='cpu', logger='silent')
    return model.eval()


def read_classes(path: str | Path) -> dict | None:
    """Read what a checkpoint says of its ``classes``, and of a segmentor of their ``palette``; None where it does not."""
    meta = load_checkpoint_file(path)['meta'].get('dataset_meta')
    if not isinstance(meta, dict) or not meta.get('classes'):
        return None
    return {key: meta[key] for key in ('classes', 'palette') if meta.get(key) is not None}


def configured_classes(dataset: dict, scope: str) -> dict:
    """Find out ``classes``, and of a segmentor (scope ``'mmseg'``) ``palette``, by a data set's config, without a look at its images.

    A UsageError if the names are in files of the data set, and there is no such folder.
    """
    init_default_scope(scope)
    with DATASETS.switch_scope_and_registry(scope) as registry:
        known = dict(getattr(registry.get(dataset['type']), 'METAINFO', None) or {})
    known.update(dataset.get('metainfo') or {})
    known.update({key: dataset[key] for key in ('classes', 'palette') if dataset.get(key)})
    if scope == 'mmseg':
        classes = tuple(known['classes'])
        return dict(classes=classes, palette=class_palette(len(classes), known.get('palette')))
    built = DATASETS.build(dict(dataset, pipeline=[], lazy_init=True, cache=None))
    return dict(classes=tuple(built.metainfo['classes']))


def write_weights(state: dict[str, Tensor], path: str | Path, dataset_meta: dict | None = None) -> str:
    """Write a checkpoint of nothing but weights, in one piece or not at all, and return its SHA-256.

    ``dataset_meta`` holds ``classes`` and ``palette``: the inferencers of mmseg and mmpretrain look for them in ``meta.dataset_meta``.
    """
    # channels-last training leaves strided tensors; contiguous ones load the same and depend on nothing
    content = {'state_dict': {name: t.contiguous() for name, t in state.items()}}
    if dataset_meta is not None:
        content['meta'] = {'dataset_meta': dataset_meta}
    buffer = io.BytesIO()
    torch.save(content, buffer)
    write_atomically(path, buffer.getvalue())
    return hashlib.sha256(buffer.getvalue()).hexdigest()


def average_weights(states: Sequence[dict[str, Tensor]], shares: Sequence[float]) -> dict[str, Tensor]:
    """Average the weights of models of one architecture that were trained on from the same weights.

    Such models often lie in one basin of the loss, so that a point between them knows what each of them has learnt
    (`Model soups <https://arxiv.org/abs/2203.05482>`_). Whole numbers, such as a norm's batches, are taken from the first.
    ``shares``, one of each, add up to 1. A UsageError if these, names or shapes do not fit.

    Example:
        >>> average_weights([{'w': torch.zeros(2)}, {'w': torch.ones(2)}], [0.75, 0.25])
        {'w': tensor([0.2500, 0.2500])}
    """
    if len(shares) != len(states):
        raise UsageError(f'{len(states)} checkpoints need as many shares, got {len(shares)}.')
    if abs(sum(shares) - 1) > 1e-6:
        raise UsageError(f'the shares add up to 1, got {" + ".join(map(str, shares))}.')
    first = states[0]
    for number, state in enumerate(states[1:], 2):
        if state.keys() != first.keys():
            name = sorted(state.keys() ^ first.keys())[0]
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
