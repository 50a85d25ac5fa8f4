# What does each image's own exposure bring or cost? Random weights, each image in standardized grey.
#   python tools/train.py configs/ablations/grey_standardized.py
_base_ = ['../unet_backbone_scratch.py']
model = dict(backbone=dict(grey_standardize=True))
