# Which loss? Cross entropy without the Dice loss.
#   python tools/train.py configs/ablations/cross_entropy_alone.py
_base_ = ['../unet_backbone_scratch.py']
model = dict(decode_head=dict(loss_decode=_base_.losses.bce))
