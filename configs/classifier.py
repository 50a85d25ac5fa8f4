# MoonNet on Tiny ImageNet, all 200 classes, scored at 128x128: minutes on a GPU, so a longer schedule than a CPU's pays.
#   python tools/train.py configs/classifier.py --amp
_base_ = [
    './_base_/models/moon_net_batch_classifier.py',
    './_base_/datasets/tiny_imagenet_batches.py',
    './_base_/schedules/classifier_progressive.py',
    './_base_/cls_runtime.py',
]
default_hooks = dict(
    logger=dict(interval=50), checkpoint=dict(interval=5), progressive_resize=_base_.progressive_resize, ema=_base_.ema
)
