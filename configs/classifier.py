# MoonNet on Tiny ImageNet, all 200 classes at 128x128.
#   python tools/train.py configs/classifier.py
_base_ = [
    './_base_/models/moon_net_classifier.py',
    './_base_/datasets/tiny_imagenet.py',
    './_base_/schedules/classifier_30e.py',
    './_base_/cls_runtime.py',
]
