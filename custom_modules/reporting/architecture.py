"""A network as a list of stages, read from its modules while an image runs through them."""

import re
from collections.abc import Iterator, Mapping, Sequence
from contextlib import ExitStack
from dataclasses import dataclass
from itertools import groupby
from typing import NamedTuple

import torch
import torch.nn as nn

from custom_modules.engine.config import value_at

# layers that change neither channels nor size: part of the stage before them
MINOR = ('BatchNorm', 'SyncBatchNorm', 'ReLU', 'Dropout', 'Identity', 'Sigmoid')
BLOCK_NAMES = {
    'DoubleConv': 'double 3x3 convolution',
    'BasicBlock': 'basic block',
    'Bottleneck': 'bottleneck block',
    'GlobalAveragePooling': 'global average pool',
    'AdaptiveAvgPool2d': 'global average pool',
    'GreyStandardize': 'grey, own mean and deviation',
    'Linear': 'linear layer',
}


@dataclass(frozen=True)
class Stage:
    """One stage of a network, for an image of the input size."""

    name: str  # stem, stage 1, up 1, output, or the module's own name
    part: str  # the model's attribute that holds it, such as backbone
    block: str  # its layers in words
    in_channels: int | None  # of its input; None if the forward pass does not use it
    channels: int | None  # of its output; None if the forward pass does not use it
    stride: int | None  # the image's height divided by the output's; None if not a whole number
    size: tuple[int, int] | None  # height and width of its output; None for a vector
    parameters: int
    frozen: str = ''  # '' (never), 'always', 'for 10 epochs' or 'at the end'
    inputs: tuple[str, ...] = ()  # names of the stages whose outputs it takes; 'input' is the image
    skip: str = ''  # the one of these inputs that is a skip connection
    adapter: str = ''  # how the skip connection is resized and projected


@dataclass(frozen=True)
class Architecture:
    """The stages of a network in the order of execution, for an image of a size (height, width)."""

    name: str
    size: tuple[int, int]
    stages: tuple[Stage, ...]

    @property
    def parameters(self) -> int:
        """Number of parameters of all stages."""
        return sum(stage.parameters for stage in self.stages)

    @property
    def is_u_shaped(self) -> bool:
        """Whether it is a U-Net: several levels of a decoder take skip connections."""
        return sum(bool(stage.skip) for stage in self.stages) > 1


def describe_architecture(model: nn.Module, size: tuple[int, int], cfg: Mapping) -> Architecture:
    """Run an image of a size (height, width) through a model of mmseg or mmpretrain in eval mode, and describe each stage.

    The config says what is frozen and when.
    """
    parts = {name: child for name, child in model.named_children() if name != 'data_preprocessor'}
    groups = [(part, *group) for part, child in parts.items() for group in _stage_modules(part, child)]
    calls = _record_calls(model, [module for *_, modules in groups for module in modules], size)
    groups.sort(key=lambda group: next((calls[m].order for m in group[2] if m in calls), len(calls)))
    stages, stage_of_tensor, unused = [], {}, ['input']
    schedule = _freeze_schedule(cfg)
    for part, name, modules in groups:
        own = [calls[module] for module in modules if module in calls]
        parameters = sum(p.numel() for module in modules for p in module.parameters())
        block = ', '.join(filter(None, map(_block, modules)))
        if not parameters and not (own and block):
            # not called, or an identity
            continue
        inputs, output = (own[0].inputs, own[-1].output) if own else ((), None)
        out_size = tuple(output.shape[2:]) if output is not None and output.ndim == 4 else None
        # an output of one pixel is pooled
        strided = out_size and out_size[0] > 1 and size[0] % out_size[0] == 0
        sources, skip = _sources(modules, inputs, stage_of_tensor, stages, unused)
        unused = [source for source in unused if source not in sources]
        skip_size = next((stage.size for stage in stages if stage.name == skip), None)
        stage = Stage(
            name=name,
            part=part,
            block=block,
            in_channels=inputs[0].shape[1] if inputs else None,
            channels=output.shape[1] if output is not None else None,
            stride=size[0] // out_size[0] if strided else None,
            size=out_size,
            parameters=parameters,
            frozen=_frozen(part, name, schedule),
            inputs=tuple(sources),
            skip=skip,
            adapter=_adapter(modules, skip_size, out_size),
        )
        stages.append(stage)
        if output is not None:
            stage_of_tensor[_key(output)] = name
            unused.append(name)
    kinds = [type(module).__name__ for module in (model, *parts.values())]
    return Architecture(' + '.join(kinds), tuple(size), tuple(stages))


def _sources(modules, inputs, stage_of_tensor: Mapping, before: Sequence[Stage], unused) -> tuple[list[str], str]:
    """Name the stages that a stage takes its inputs from, and the one of them that is a skip connection.

    An input that is no stage's output was resized or concatenated between the stages: of all outputs not used so far.
    """
    sources = [stage_of_tensor.get(_key(tensor)) for tensor in inputs]
    if not any(hasattr(module, 'adapter') for module in modules):
        return list(dict.fromkeys(filter(None, sources))) or list(unused), ''
    if sources[1] is None:
        # a resized skip connection: of the deepest stage that has none so far
        taken = {stage.skip for stage in before}
        sources[1] = next(s.name for s in reversed(before) if s.part == 'backbone' and s.name not in taken)
    return [sources[0] or before[-1].name, sources[1]], sources[1]


class _Call(NamedTuple):
    order: int
    inputs: tuple[torch.Tensor, ...]
    output: torch.Tensor


@torch.no_grad()
def _record_calls(model: nn.Module, modules: Sequence[nn.Module], size: tuple[int, int]) -> dict[nn.Module, _Call]:
    calls = {}

    def record(module: nn.Module, inputs: tuple, output: object) -> None:
        # keeps the tensors alive: a freed address would be used again, and _key would confuse them
        calls.setdefault(module, _Call(len(calls), tuple(_tensors(inputs)), list(_tensors(output))[-1]))

    with ExitStack() as hooks:
        for module in modules:
            hooks.enter_context(module.register_forward_hook(record))
        channels = getattr(model.backbone, 'in_channels', 3)
        model(torch.zeros(1, channels, *size, device=next(model.parameters()).device), mode='tensor')
    return calls


def _tensors(value: object) -> Iterator[torch.Tensor]:
    if isinstance(value, torch.Tensor):
        yield value
    elif isinstance(value, list | tuple):
        for part in value:
            yield from _tensors(part)


def _key(tensor: torch.Tensor) -> tuple:
    return tensor.data_ptr(), tuple(tensor.shape)


def _stage_modules(part: str, module: nn.Module) -> list[tuple[str, list[nn.Module]]]:
    """Cut a part of a model into stages: its children, those of a ModuleList one by one, a norm with the layer before it."""
    children = []
    for name, child in module.named_children():
        if 'loss' in name.lower():
            continue
        if type(child).forward is nn.Module.forward:
            # a ModuleList, which is not called itself
            children += [(f'{name}.{key}', inner) for key, inner in child.named_children()]
        else:
            children.append((name, child))
    groups: list[tuple[str, list[nn.Module]]] = []
    for name, child in children or [('', module)]:
        if groups and type(child).__name__.startswith(MINOR) and name.split('.')[0] != 'dropout':
            groups[-1][1].append(child)
        else:
            groups.append((_stage_name(part, name), [child]))
    return groups


def _stage_name(part: str, name: str) -> str:
    known = {'conv1': 'stem', 'stages.0': 'stem', 'conv_seg': 'output', 'fc': 'output'}
    known |= {'maxpool': 'max pool', 'gap': 'pool', 'grey_standardize': 'grey'}
    if name in known:
        return known[name]
    if found := re.fullmatch(r'(?:stages\.|layer)(\d+)', name):
        return f'stage {int(found[1])}'
    if found := re.fullmatch(r'levels\.(\d+)', name):
        return f'up {int(found[1]) + 1}'
    return name.replace('_', ' ') or part


def _block(module: nn.Module) -> str:
    kind = type(module).__name__
    if kind.startswith(MINOR):
        return ''
    if kind in BLOCK_NAMES:
        return BLOCK_NAMES[kind]
    if isinstance(module, nn.Conv2d | nn.ConvTranspose2d):
        return _convolution(module)
    if isinstance(module, nn.MaxPool2d | nn.AvgPool2d):
        pooling = 'max' if isinstance(module, nn.MaxPool2d) else 'average'
        side = module.kernel_size if isinstance(module.kernel_size, int) else module.kernel_size[0]
        return f'{side}x{side} {pooling} pool'
    if kind == 'DepthwiseSeparableConvModule':
        return _block(module.depthwise_conv).replace('convolution', 'separable convolution')
    if hasattr(module, 'adapter'):
        # an UpBlock; its adapter is described with the skip connection
        return f'{_block(module.up) or "bilinear enlargement"}, {_block(module.conv)}'
    texts = [text for child in module.children() if (text := _block(child))]
    counted = [(text, len(list(same))) for text, same in groupby(texts)]
    text = ', '.join(f'{count} x {text}' if count > 1 else text for text, count in counted)
    # an empty Sequential is an identity
    return text or ('' if isinstance(module, nn.Sequential) else kind)


def _convolution(module: nn.Conv2d | nn.ConvTranspose2d) -> str:
    height, width = module.kernel_size
    transposed = isinstance(module, nn.ConvTranspose2d)
    text = f'{width}x{height} {"transposed " * transposed}convolution'
    if module.stride[0] > 1 and not transposed:
        text += f', stride {module.stride[0]}'
    if module.dilation[0] > 1:
        text += f', dilation {module.dilation[0]}'
    return text


def _adapter(modules: Sequence[nn.Module], skip_size: tuple[int, int] | None, size: tuple[int, int] | None) -> str:
    adapter = next((m.adapter for m in modules if hasattr(m, 'adapter')), None)
    texts = []
    if skip_size not in (None, size):
        texts.append(f'resized to {size[1]}x{size[0]}')
    if isinstance(adapter, nn.Conv2d):
        texts.append(f'{_convolution(adapter)}, {adapter.in_channels} to {adapter.out_channels} channels')
    return ', '.join(texts)


def _freeze_schedule(cfg: Mapping) -> dict[int, int]:
    """Number of frozen stages of the backbone (-1: none) by the epoch of the training from which it applies, in order."""
    for hook in [*(cfg.get('default_hooks') or {}).values(), *(cfg.get('custom_hooks') or ())]:
        if hook and hook.get('type') == 'FreezeScheduleHook':
            last = value_at(cfg, 'train_cfg', 'max_epochs') or float('inf')
            return dict(sorted((int(epoch), int(stages)) for epoch, stages in hook['schedule'].items() if int(epoch) < last))
    frozen = value_at(cfg, 'model', 'backbone', 'frozen_stages')
    return {0: -1 if frozen is None else int(frozen)}


def _frozen(part: str, name: str, schedule: Mapping[int, int]) -> str:
    found = re.fullmatch(r'stem|stage (\d+)', name)
    if part != 'backbone' or not found:
        return ''
    awake = [epoch for epoch, stages in schedule.items() if stages < int(found[1] or 0)]
    if not awake or len(awake) == len(schedule):
        return '' if awake else 'always'
    return f'for {awake[0]} epochs' if awake[0] else 'at the end'
