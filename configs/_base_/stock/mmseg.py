# As in mmseg's configs/_base_: PNG pairs, validated image by image at their original size, which is what
# Resize and IoUMetric amount to. Sizes are set to the compared config's.
_base_ = ['./runtime.py']
default_scope = 'mmseg'
custom_imports = dict(imports=['custom_modules.segmentation'], allow_failed_imports=False)
model = dict(type='EncoderDecoder', data_preprocessor=dict(type='SegDataPreProcessor'))
train_pipeline = [
    dict(type='LoadImageFromFile'),
    dict(type='LoadAnnotations'),
    dict(type='Resize', scale=(128, 128), keep_ratio=False),
    dict(type='RandomFlip', prob=0.5),
    dict(type='PhotoMetricDistortion'),
    dict(type='PackSegInputs'),
]
test_pipeline = [
    dict(type='LoadImageFromFile'),
    dict(type='Resize', scale=(128, 128), keep_ratio=False),
    # after the resize, as in mmseg: the truth keeps its size, and predictions are resized to it
    dict(type='LoadAnnotations'),
    dict(type='PackSegInputs'),
]
val_dataloader = dict(batch_size=1)
val_evaluator = dict(type='IoUMetric', iou_metrics=['mIoU'])
param_scheduler = dict(type='PolyLR', power=0.9, eta_min=1e-6, convert_to_iter_based=True)
default_hooks = dict(visualization=dict(type='SegVisualizationHook'))
visualizer = dict(type='SegLocalVisualizer', vis_backends=_base_.vis_backends, name='visualizer')
