# The long recipe with the classifier's encoder, frozen for 50 epochs; then its stages are unfrozen from the last to the first, at a
# tenth of the rate, as in unet_backbone_unfreeze.py.
#   python tools/train.py configs/ablations/long_unfreeze.py
_base_ = ['./long_frozen.py']
default_hooks = dict(freeze_schedule=dict(schedule={50: 3, 75: 2, 100: 1, 125: -1}))
optim_wrapper = dict(paramwise_cfg=dict(custom_keys={'backbone': dict(lr_mult=0.1)}))
