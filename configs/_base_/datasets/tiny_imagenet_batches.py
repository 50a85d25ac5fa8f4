# Tiny ImageNet-200 by whole batches: decoded once, then on the device that computes (1.2 GB, and 0.5 GB for validation).
_base_ = ['./tiny_imagenet.py']
# nothing random: that is the data preprocessor's
plain_pipeline = [dict(type='LoadImageFromFile'), dict(type='PackInputs')]
# no worker processes: a batch is a look-up
whole = dict(
    batch_size=500, num_workers=0, persistent_workers=False, collate_fn=dict(type='batch_collate'), dataset=dict(cache='batches')
)
train_dataloader = dict(whole, dataset=dict(cache='batches', pipeline=plain_pipeline))
val_dataloader = whole
test_dataloader = whole
val_evaluator = [dict(type='BatchAccuracy', topk=(1, 5)), dict(type='ClassificationReport')]
test_evaluator = val_evaluator
