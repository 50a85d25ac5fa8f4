from types import MethodType

from mmseg.models import EncoderDecoder
from mmseg.models.decode_heads.decode_head import BaseDecodeHead
from mmseg.registry import MODELS


@MODELS.register_module()
class StockSegmentor(EncoderDecoder):
    """mmseg's ``EncoderDecoder`` around this project's networks, without what the project does besides.

    The layers are those of ``UNetSegmentor``. Losses are computed by mmseg's ``BaseDecodeHead``, which adds ``acc_seg``, a
    top-k over the channels; validation is mmseg's, image by image, at each image's original size. For benchmarks only.
    """

    def _init_decode_head(self, decode_head: dict) -> None:
        # a stock config would repeat these numbers by hand
        decode_head = decode_head.copy()
        if hasattr(self.backbone, 'out_channels'):
            decode_head.setdefault('in_channels', self.backbone.out_channels)
        super()._init_decode_head(decode_head)
        head = self.decode_head
        head.loss_by_feat = MethodType(BaseDecodeHead.loss_by_feat, head)
