# How many classes must the classifier have seen? As finetuned_full_rate, from 14 classes in place of 200.
#   python tools/train.py configs/ablations/finetuned_14_classes.py
_base_ = ['./frozen_14_classes.py']
default_hooks = dict(freeze_schedule=dict(schedule={0: -1}))
