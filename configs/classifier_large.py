# What do three times the parameters bring? The widest MoonNet below the limit of 5 million.
#   python tools/train.py configs/classifier_large.py --amp
_base_ = ['./classifier.py']
model = dict(backbone=dict(widths=(24, 48, 96, 192, 384), depths=(1, 2, 3, 1)), head=dict(in_channels=384))
