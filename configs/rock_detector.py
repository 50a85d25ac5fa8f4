# The best detector within the budget, second of three stages: rock_detector_zoomed.py, trained on with whole pictures, in which a
# rock is as large as it will be. The third, ablations/detector_distilled.py, is published. checkpoints/rock_detector.md has all commands.
#   python tools/train.py configs/rock_detector_zoomed.py && python tools/train.py configs/rock_detector.py
_base_ = ['./rock_detector_zoomed.py']
checkpoint = '{{$MOON_ZOOMED:work_dirs/rock_detector_zoomed/epoch_25.pth}}'
# below a half, more small rocks are found; chosen on the folds' inner validation parts
model = dict(init_cfg=dict(checkpoint=checkpoint), decode_head=dict(threshold=0.3))
whole = dict(load_size=(128, 128), pipeline=_base_.plain_pipeline)
parts = [dict(part['dataset'], **whole) for part in _base_.parts]
parts[3]['train_fraction'] = 0.1
often = zip([4, 2, 8, 1, 1, 1, 1], parts, strict=True)
parts = [dict(type='RepeatDataset', times=n, dataset=part) for n, part in often]
del often
train_dataloader = dict(dataset=dict(datasets=parts))
train_cfg = dict(max_epochs=16)
