# Which loss? The Dice loss without cross entropy.
#   python tools/train.py configs/ablations/dice_alone.py
_base_ = ['../unet_backbone_scratch.py']
model = dict(decode_head=dict(loss_decode=_base_.losses.dice))
