# Which loss? Cross entropy in which a missed rock pixel is ten times as dear.
#   python tools/train.py configs/ablations/weighted_cross_entropy.py
_base_ = ['../unet_backbone_scratch.py']
model = dict(decode_head=dict(loss_decode=_base_.losses.weighted_bce))
