# How many classes must the classifier have seen? As unet_backbone_frozen, from 14 classes in place of 200.
#   python tools/train.py configs/ablations/frozen_14_classes.py
_base_ = ['../unet_backbone_frozen.py']
checkpoint = '{{fileDirname}}/../../checkpoints/moon_net_tiny_imagenet_14.pth'
model = dict(backbone=dict(init_cfg=dict(checkpoint=checkpoint)))
