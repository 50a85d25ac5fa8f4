# How much of a frozen encoder is pretraining? The same encoder frozen at its random initialization.
#   python tools/train.py configs/ablations/frozen_random.py
_base_ = ['../unet_backbone_frozen.py']
model = dict(backbone=dict(init_cfg=None))
