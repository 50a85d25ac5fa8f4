from mmseg.registry import MODELS

from .val_loss_segmentor import ValLossSegmentor


@MODELS.register_module()
class UNetSegmentor(ValLossSegmentor):
    """A segmentor whose decode head learns its input channels from the backbone.

    A backbone of this project declares its ``out_channels``; a config that swaps the backbone or its widths
    then needs no matching change in the head. Everything else, arguments included, is mmseg's
    ``EncoderDecoder`` with a validation loss.
    """

    def _init_decode_head(self, decode_head: dict) -> None:
        decode_head = decode_head.copy()
        decode_head.setdefault('in_channels', self.backbone.out_channels)
        super()._init_decode_head(decode_head)
