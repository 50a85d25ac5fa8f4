from mmseg.models.decode_heads import DepthwiseSeparableASPPHead
from mmseg.registry import MODELS

from .unet_head import UNetHead


@MODELS.register_module()
class LeanASPPHead(DepthwiseSeparableASPPHead):
    """mmseg's DeepLabV3+ head without its ``acc_seg``, a top-k over all pixels in each iteration that trains nothing.

    `Encoder-Decoder with Atrous Separable Convolution <https://arxiv.org/abs/1802.02611>`_. Arguments, weights and
    losses are those of ``DepthwiseSeparableASPPHead``.
    """

    loss_by_feat = UNetHead.loss_by_feat
