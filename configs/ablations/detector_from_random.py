# What does it bring to learn from synthetic scenes first? What rock_detector learns from, from random weights on.
#   python tools/train.py configs/ablations/detector_from_random.py
_base_ = ['../rock_detector.py']
model = dict(init_cfg=None)
