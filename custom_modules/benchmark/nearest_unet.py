import itertools

import torch
import torch.nn as nn

# encoders of 0.4 to 14 million parameters; resnet18 alone has 11
ENCODERS = (
    'timm-mobilenetv3_small_minimal_100',
    'timm-mobilenetv3_small_100',
    'mobilenet_v2',
    'resnet18',
)
# of the finest level, doubled from each level to the next; the library's own is 16
WIDTHS = (4, 6, 8, 12, 16, 24)


def nearest_unet(parameters: int, classes: int) -> tuple[nn.Module, str]:
    """Make the U-Net of segmentation-models-pytorch whose number of parameters is nearest.

    Args:
        parameters (int): The number.
        classes (int): Output channels.

    Returns:
        tuple[nn.Module, str]: The model with random weights, and what it is in words.

    Raises:
        ImportError: If segmentation-models-pytorch is not installed.
    """
    import segmentation_models_pytorch as smp

    best = None
    # counted without allocating anything
    with torch.device('meta'):
        for encoder, width in itertools.product(ENCODERS, WIDTHS):
            widths = tuple(width * 2**level for level in (4, 3, 2, 1, 0))
            options = dict(encoder_weights=None, decoder_channels=widths, classes=classes)
            model = smp.Unet(encoder, **options)
            miss = abs(sum(p.numel() for p in model.parameters()) - parameters)
            if best is None or miss < best[0]:
                best = miss, encoder, options
    _, encoder, options = best
    return smp.Unet(encoder, **options), f'smp.Unet({encoder!r}, {options["decoder_channels"]})'
