from mmseg.models.decode_heads import DepthwiseSeparableASPPHead
from mmseg.registry import MODELS

from .no_sampler import require_no_sampler
from .unet_head import UNetHead


@MODELS.register_module()
class LeanASPPHead(DepthwiseSeparableASPPHead):
    """mmseg's DeepLabV3+ head without its ``acc_seg``, a top-k over all pixels in each iteration that trains nothing.

    `Encoder-Decoder with Atrous Separable Convolution <https://arxiv.org/abs/1802.02611>`_. Arguments, weights and
    losses are those of ``DepthwiseSeparableASPPHead``.

    Args:
        **kwargs: Of mmseg's ``DepthwiseSeparableASPPHead``, but ``sampler``.

    Raises:
        ValueError: If a ``sampler`` is given.
    """

    loss_by_feat = UNetHead.loss_by_feat

    def __init__(self, **kwargs) -> None:
        require_no_sampler(self, kwargs)
        super().__init__(**kwargs)
