# Report 2's option B: as A, but the encoder is unfrozen late, for the last quarter, at a tenth of the rate.
#   python tools/train.py configs/reference/report2_simple_net_unfreeze.py
_base_ = ['./report2_simple_net_frozen.py']
default_hooks = dict(freeze_schedule=dict(schedule={30: -1}))
optim_wrapper = dict(paramwise_cfg=dict(custom_keys={'backbone': dict(lr_mult=0.1)}))
