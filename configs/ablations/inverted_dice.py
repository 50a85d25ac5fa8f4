# A quiet mistake: mmseg's DiceLoss beside the cross entropy, which with one channel rewards background.
#   python tools/train.py configs/ablations/inverted_dice.py
_base_ = ['../unet_baseline.py']
model = dict(decode_head=dict(loss_decode=[_base_.losses.bce[0], dict(type='DiceLoss')]))
