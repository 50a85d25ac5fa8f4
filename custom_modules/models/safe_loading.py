"""Safe and complete loading of checkpoints: as data, never as code, and with every tensor that a model needs.

If ``torch.load(weights_only=True)`` fails, mmengine's OneDL release silently loads without it, so that a stranger's ``.pth`` can
run any code. Its runner and inferencer also run the config text in a checkpoint. Importing this module restricts all of
mmengine's loading, from files and URLs, to tensors and plain values, and drops that text.
"""

import functools
import os
import re
from collections import OrderedDict
from collections.abc import Callable, Mapping
from http.client import HTTPException
from pathlib import Path
from pickle import UnpicklingError

import numpy as np
import torch
import torch.nn as nn
from mmengine.logging import HistoryBuffer
from mmengine.optim.scheduler.param_scheduler import OneCycleParamScheduler
from mmengine.runner import checkpoint as mmengine_checkpoint
from mmengine.runner.checkpoint import CheckpointLoader

from custom_modules.utils.errors import UsageError

os.environ['TORCH_FORCE_WEIGHTS_ONLY_LOAD'] = '1'  # for code that calls torch.load itself

# methods that mmengine pickles by name into a checkpoint: statistics of a history, the curve of a scheduler
METHODS = {HistoryBuffer: ('current', 'max', 'mean', 'min'), OneCycleParamScheduler: ('_annealing_cos', '_annealing_linear')}


def _known_method(owner: type, name: str) -> Callable:
    """Replace ``getattr`` in a checkpoint, which may only name ``METHODS``."""
    if name not in METHODS.get(owner, ()):
        raise UnpicklingError(f'getattr({owner!r}, {name!r}) in a checkpoint is not allowed')
    return getattr(owner, name)


_MULTIARRAY = (np._core if hasattr(np, '_core') else np.core).multiarray

# the types in checkpoints of mmengine, also with numpy 1, whose package has another name; with these upstream's mmengine 0.10.7 can
# also resume under torch >= 2.6
torch.serialization.add_safe_globals(
    [
        *METHODS,
        (_known_method, 'builtins.getattr'),
        np.ndarray,
        np.dtype,
        *(
            (function, f'numpy.{package}.multiarray.{function.__name__}')
            for function in (_MULTIARRAY._reconstruct, _MULTIARRAY.scalar)
            for package in ('core', '_core')
        ),
        *{type(np.dtype(kind)) for kind in ('bool', 'i4', 'i8', 'u1', 'u4', 'u8', 'f4', 'f8')},
    ]
)

# OneDL's own list allows any getattr, and after each load its types are removed from torch's, even those added above
if hasattr(mmengine_checkpoint, 'get_torch_safe_globals'):
    mmengine_checkpoint.get_torch_safe_globals = list


def load_checkpoint_file(path: str | Path, map_location: str | torch.device | Callable | None = 'cpu') -> dict:
    """Read a checkpoint from a file: ``state_dict``, ``meta`` and others, but no config text.

    Raises a UsageError if the file is missing or damaged, or holds more than tensors and plain values.
    """
    path = Path(path).expanduser()
    if not path.is_file():
        raise UsageError(f'there is no checkpoint {path}: train one with tools/train.py, or mend the path.')
    try:
        loaded = torch.load(path, map_location=map_location, weights_only=True)
    except OSError as error:
        raise UsageError(f'{path} cannot be read ({error.strerror or error}): copy it again, or mend its permissions.') from error
    except Exception as error:
        # a damaged pickle can fail in any way
        raise _refused(str(path), error) from error
    return _as_checkpoint(loaded, str(path))


def _as_checkpoint(loaded: object, name: str) -> dict:
    """Convert a checkpoint, whose weights others call ``model``, or plain weights to mmengine's form, without the text that mmengine runs."""
    key = next((k for k in ('state_dict', 'model') if isinstance(loaded, Mapping) and isinstance(loaded.get(k), Mapping)), None)
    state = loaded[key] if key else loaded
    filled = isinstance(state, Mapping) and len(state) > 0
    if not filled or not all(isinstance(k, str) and isinstance(v, torch.Tensor) for k, v in state.items()):
        raise UsageError(
            f'{name} holds no weights: take a checkpoint that tools/train.py wrote, or weights saved as a plain state_dict.'
        )
    if all(key.startswith('module.') for key in state):
        state = OrderedDict((key.removeprefix('module.'), value) for key, value in state.items())
    checkpoint = {**loaded, 'state_dict': state} if key else {'state_dict': state}
    meta = checkpoint.get('meta')
    checkpoint['meta'] = dict(meta) if isinstance(meta, Mapping) else {}
    hub = checkpoint.get('message_hub')
    runtime_info = hub.get('runtime_info') if isinstance(hub, Mapping) else None
    for info in (checkpoint['meta'], runtime_info):
        if isinstance(info, dict):
            # Runner.resume runs the first, mmengine's inferencer the second
            info.pop('config', None)
            info.pop('cfg', None)
    return checkpoint


def _refused(name: str, error: Exception) -> UsageError:
    if name.lower().endswith('.onnx'):
        return UsageError(
            f'{name} is an exported model, which has no weights to load: name the .pth file that it was exported from.'
        )
    wanted = re.search(r'GLOBAL (\S+)', str(error))
    reason = f'it asks for {wanted[1]}' if wanted else str(error).split('\n')[0][:200]
    # torch's message goes on to advise unsafe loading
    if reason.startswith('Weights only load failed'):
        reason = 'torch.save has not written it'
    return UsageError(
        f'{name} was not loaded, since it is damaged or holds more than tensors and plain values '
        f'({reason or type(error).__name__}): take a checkpoint of this project, or weights saved as a plain state_dict.'
    )


def _safe(load: Callable) -> Callable:
    """Wrap one of mmengine's loaders; the wrapper keeps its name, which mmengine logs."""

    @functools.wraps(load)
    def load_safely(filename: str, map_location=None) -> dict:
        try:
            loaded = load(filename, map_location=map_location)
        except (UnpicklingError, RuntimeError, EOFError) as error:
            raise _refused(filename, error) from error
        return _as_checkpoint(loaded, filename)

    return load_safely


@functools.wraps(mmengine_checkpoint.load_from_local)
def _load_from_local(filename: str, map_location=None) -> dict:
    return load_checkpoint_file(filename, map_location)


# all loaders that mmengine has, by the beginnings of names (https://, ...) that they are for
for _prefix, _loader in list(CheckpointLoader._schemes.items()):
    CheckpointLoader.register_scheme(_prefix, _safe(_loader), force=True)
CheckpointLoader.register_scheme('', _load_from_local, force=True)


def unlike_tensors(module: nn.Module, state: Mapping, prefix: str = '') -> tuple[list[str], int]:
    """List the tensors of a module that a ``state_dict`` lacks or has in another shape, and count all that it needs."""
    # the batch counters of batch norms are unused, and older files lack them
    own = {n: t for n, t in module.state_dict().items() if not n.endswith('num_batches_tracked')}
    found = {name: state.get(f'{prefix}{name}') for name in own}
    return [n for n, t in found.items() if t is None or t.shape != own[n].shape], len(own)


def require_all_tensors(module: nn.Module, checkpoint: str, prefix: str = '', key: str | None = None) -> int:
    """Make sure that a checkpoint, a file or URL, provides every tensor of a module, before it is loaded, and count them.

    mmengine loads with ``strict=False``: with a forgotten prefix, or the checkpoint of another architecture, it only warns and keeps
    random weights. ``prefix`` precedes the module's own keys; ``key`` is the module's place in the config, if that names the checkpoint.
    Raises a UsageError if the checkpoint cannot be read safely, or a tensor is missing or has another shape.
    """
    try:
        loaded = CheckpointLoader.load_checkpoint(checkpoint, map_location='cpu', logger='silent')
    except (OSError, HTTPException) as error:
        random = f', or train from random weights with --cfg-options {key}.init_cfg=None' if key else ''
        raise UsageError(
            f'{checkpoint} could not be read or downloaded ({getattr(error, "reason", error)}): without a network, give in its place '
            f'the path of a file that was downloaded elsewhere{random}.'
        ) from error
    state = loaded['state_dict']
    prefix = f'{prefix.rstrip(".")}.' if prefix else ''
    unlike, wanted = unlike_tensors(module, state, prefix)
    if unlike:
        raise UsageError(
            f'only {wanted - len(unlike)} of {wanted} tensors of {type(module).__name__} are in {checkpoint} with prefix {prefix!r} (it '
            f'begins with {next(iter(state), "nothing")!r}): give the checkpoint of this architecture, and for a part of it the prefix.'
        )
    return wanted


def require_pretrained(model: nn.Module) -> None:
    """Apply :func:`require_all_tensors` to each module of a model with a ``Pretrained`` checkpoint, before ``init_weights``."""
    for name, module in model.named_modules():
        for checkpoint, prefix in pretrained_checkpoints(module):
            require_all_tensors(module, checkpoint, prefix, f'model.{name}'.rstrip('.'))


def pretrained_checkpoints(module: nn.Module) -> list[tuple[str, str]]:
    """List checkpoint and prefix of each ``Pretrained`` entry of a module's own ``init_cfg``, which is a dict or a list of dicts."""
    given = getattr(module, 'init_cfg', None) or []
    configs = [given] if isinstance(given, dict) else given
    return [(cfg['checkpoint'], cfg.get('prefix') or '') for cfg in configs if cfg.get('type') == 'Pretrained']
