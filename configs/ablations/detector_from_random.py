# What does it bring to learn from synthetic scenes first? The same images, from random weights.
#   python tools/train.py configs/ablations/detector_from_random.py
_base_ = ['../rock_detector.py']
model = dict(init_cfg=None)
