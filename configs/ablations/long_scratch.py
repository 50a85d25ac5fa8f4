# The long recipe with the classifier's architecture as encoder, from random weights.
#   python tools/train.py configs/ablations/long_scratch.py
_base_ = ['./long_baseline.py']
model = dict(backbone=dict(type='MoonNet'))
