# The encoder of synthetic scenes as nothing but an initialization: beside finetuned_full_rate.py.
#   python tools/train.py configs/ablations/synthetic_finetuned.py
_base_ = ['./synthetic_frozen.py']
default_hooks = dict(freeze_schedule=dict(schedule={0: -1}))
