# The larger detector, without the budget (9.5 million parameters, 256x256), trained on as ablations/detector_with_boulders.py is.
#   python tools/train.py configs/rock_detector_large.py
_base_ = ['./ablations/detector_with_boulders.py']
# too large to publish: what rock_detector_large_synthetic.py has left
checkpoint = '{{$MOON_LARGE:work_dirs/rock_detector_large_synthetic/epoch_8.pth}}'
large = dict(widths=(16, 32, 64, 128, 256, 512), depths=(1, 2, 2, 2, 1))
model = dict(init_cfg=dict(checkpoint=checkpoint), backbone=large)
zoom = dict(type='RandomZoom', size=(256, 256), zoom=2.0, prob=0.5)
window = dict(load_size=(421, 280), pipeline=[*_base_.load_pair, zoom, dict(type='PackSegInputs')])
real, more, mixed, goals = (dict(part, **window) for part in (_base_.real, _base_.more, _base_.mixed, _base_.goals))
repeated = [dict(type='RepeatDataset', times=12, dataset=part) for part in (real, more)]
train_dataloader = dict(dataset=dict(datasets=[*repeated, mixed, goals]))
val_dataloader = dict(dataset=dict(load_size=(256, 256)))
test_dataloader = val_dataloader
train_cfg = dict(max_epochs=2)
