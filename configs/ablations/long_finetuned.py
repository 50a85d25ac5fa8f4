# The long recipe with the classifier's encoder of 200 classes as an initialization: everything trains.
#   python tools/train.py configs/ablations/long_finetuned.py
_base_ = ['./long_frozen.py']
default_hooks = dict(freeze_schedule=dict(schedule={0: -1}))
