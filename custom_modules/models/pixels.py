"""A network between pixels and probabilities: what is exported, and what predicts photographs."""

import torch
import torch.nn as nn
import torch.nn.functional as F

from custom_modules.utils.errors import UsageError


class PixelsToProbabilities(nn.Module):
    """A network of mmseg or mmpretrain from pixels to probabilities.

    Normalisation, the network, its logits' resizing to the input's size and sigmoid or softmax are inside.

    Args:
        model (nn.Module): mmseg's ``EncoderDecoder`` or mmpretrain's ``ImageClassifier``, in eval mode.

    Raises:
        UsageError: If its data preprocessor pads in testing, which an exported file would not.
    """

    def __init__(self, model: nn.Module) -> None:
        super().__init__()
        self.model = model
        self.segments = hasattr(model, 'decode_head')
        preprocessor = model.data_preprocessor
        if getattr(preprocessor, 'test_cfg', None):
            raise UsageError(
                f'the data preprocessor pads in testing (test_cfg={preprocessor.test_cfg}): leave its test_cfg out.'
            )
        # mmseg and mmpretrain have two names for it; data sets load BGR
        turns = getattr(preprocessor, '_channel_conversion', False)
        self.takes_bgr = not getattr(preprocessor, 'to_rgb', turns)
        normalises = getattr(preprocessor, '_enable_normalize', False)
        mean = preprocessor.mean if normalises else torch.zeros(3)
        std = preprocessor.std if normalises else torch.ones(3)
        self.register_buffer('mean', mean.detach().clone().view(1, -1, 1, 1))
        self.register_buffer('std', std.detach().clone().view(1, -1, 1, 1))

    def forward(self, images: torch.Tensor) -> torch.Tensor:
        """Predict RGB images (N, H, W, 3), uint8.

        Returns:
            Tensor: Float32: of one channel (N, H, W), of a segmentor (N, K, H, W), of a classifier (N, K).
        """
        pixels = images.permute(0, 3, 1, 2).float()
        if self.takes_bgr:
            pixels = pixels.flip(1)
        pixels = (pixels - self.mean) / self.std
        logits = self.model(pixels, mode='tensor').float()
        if not self.segments:
            return logits.softmax(1)
        head = self.model.decode_head
        if logits.shape[2:] != pixels.shape[2:]:
            corners = head.align_corners
            logits = F.interpolate(logits, pixels.shape[2:], mode='bilinear', align_corners=corners)
        return logits.sigmoid().squeeze(1) if head.out_channels == 1 else logits.softmax(1)
