# What does an average of the weights bring? Random weights, scored by their moving average.
#   python tools/train.py configs/ablations/averaged_weights.py
_base_ = ['../unet_backbone_scratch.py']
default_hooks = dict(ema=_base_.ema)
