# What does variant A lose without augmentation, when an epoch then costs the decoder alone? The encoder's features
# of each image are computed once.
#   python tools/train.py configs/ablations/frozen_features_cached.py
_base_ = ['../unet_backbone_frozen.py']
train_dataloader = dict(dataset=dict(pipeline=_base_.plain_pipeline))
default_hooks = dict(feature_cache=dict(enabled=True))
