# Pretraining as nothing but an initialization: everything trains from the first step, at one rate.
#   python tools/train.py configs/ablations/finetuned_full_rate.py
_base_ = ['../unet_backbone_frozen.py']
default_hooks = dict(freeze_schedule=dict(schedule={0: -1}))
