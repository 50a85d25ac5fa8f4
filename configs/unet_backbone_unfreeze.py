# Variant B: as A for ten epochs, then the stages are unfrozen from the last to the first, at a tenth of the rate.
#   python tools/train.py configs/unet_backbone_unfreeze.py
_base_ = ['./unet_backbone_frozen.py']
default_hooks = dict(freeze_schedule=dict(schedule={10: 3, 15: 2, 20: 1, 25: -1}))
optim_wrapper = dict(paramwise_cfg=dict(custom_keys={'backbone': dict(lr_mult=0.1)}))
