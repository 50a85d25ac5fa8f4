# Report 3's classifier: 10 classes, ResNet-18's form at a quarter of its width, 889,732 parameters;
# label smoothing, the cosine, and biases and norms without decay are ours.
#   python tools/train.py configs/reference/report3_narrow_resnet_classifier.py
_base_ = ['../_base_/classifier.py', '../_base_/augmentations/report3_classifier.py']
wnids = [
    'n01910747', 'n02124075', 'n02403003', 'n02415577', 'n02814533',
    'n03796401', 'n03854065', 'n04254777', 'n04285008', 'n09256479',
]  # fmt: skip
model = dict(backbone=dict(type='NarrowResNet'), head=dict(in_channels=144, num_classes=10))
train_dataloader = dict(dataset=dict(wnids=wnids, pipeline=_base_.augmented_pipeline))
val_dataloader = dict(dataset=dict(wnids=wnids))
test_dataloader = dict(dataset=dict(wnids=wnids))
optim_wrapper = dict(
    optimizer=dict(_delete_=True, type='Adam', lr=1e-4, weight_decay=1e-4, fused=True), clip_grad=dict(max_norm=1.0)
)
