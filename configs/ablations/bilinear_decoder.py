# Which decoder? Bilinear enlargement in place of transposed convolutions.
#   python tools/train.py configs/ablations/bilinear_decoder.py
_base_ = ['../unet_backbone_scratch.py']
model = dict(decode_head=dict(upsample='bilinear'))
