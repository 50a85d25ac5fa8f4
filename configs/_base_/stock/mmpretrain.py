# As in mmpretrain's configs/_base_/datasets/imagenet_bs32.py: JPEG files, cropped at random, for validation an edge of
# 256 for a crop of 224 or in proportion; its Accuracy. Sizes are set to the compared config's.
_base_ = ['./runtime.py']
default_scope = 'mmpretrain'
custom_imports = dict(imports=['custom_modules.classification'], allow_failed_imports=False)
train_pipeline = [
    dict(type='LoadImageFromFile'),
    dict(type='RandomResizedCrop', scale=128),
    dict(type='RandomFlip', prob=0.5, direction='horizontal'),
    dict(type='PackInputs'),
]
test_pipeline = [
    dict(type='LoadImageFromFile'),
    dict(type='ResizeEdge', scale=146, edge='short'),
    dict(type='CenterCrop', crop_size=128),
    dict(type='PackInputs'),
]
val_evaluator = dict(type='Accuracy')
param_scheduler = dict(type='CosineAnnealingLR', by_epoch=True)
default_hooks = dict(logger=dict(interval=100), visualization=dict(type='VisualizationHook', enable=False))
visualizer = dict(type='UniversalVisualizer', vis_backends=_base_.vis_backends, name='visualizer')
