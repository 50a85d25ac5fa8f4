# The long recipe with the encoder of synthetic scenes, frozen.
#   python tools/train.py configs/ablations/long_synthetic_frozen.py
_base_ = ['./long_synthetic.py']
default_hooks = dict(freeze_schedule=dict(schedule={0: 4}))
