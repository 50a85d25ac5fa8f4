# The published weights' classifier: the 14 classes that the reference reports used, so few that two
# CPU cores train it in about an hour (small batches fit their cache).
#   python tools/train.py configs/classifier_14_classes.py
_base_ = ['./_base_/classifier.py']
wnids = [
    'n01910747', 'n02124075', 'n02403003', 'n02415577', 'n02814533', 'n03796401', 'n03854065',
    'n04254777', 'n04285008', 'n07583066', 'n07615774', 'n07871810', 'n09256479', 'n09332890',
]  # fmt: skip
model = dict(head=dict(num_classes=14))
train_dataloader = dict(batch_size=32, dataset=dict(wnids=wnids))
val_dataloader = dict(dataset=dict(wnids=wnids))
test_dataloader = dict(dataset=dict(wnids=wnids))
optim_wrapper = dict(optimizer=dict(lr=1e-3))
train_cfg = dict(max_epochs=16)
