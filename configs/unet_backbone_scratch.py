# The classifier's architecture as encoder, with random weights: separates what pretraining brings from
# what the architecture brings.
#   python tools/train.py configs/unet_backbone_scratch.py
_base_ = ['./unet_baseline.py']
model = dict(backbone=dict(type='MoonNet'))
