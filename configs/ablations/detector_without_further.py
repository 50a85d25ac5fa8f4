# What do 28 further renders bring, whose public masks label every pebble?
#   python tools/train.py configs/ablations/detector_without_further.py
_base_ = ['./detector_with_boulders.py']
parts = [dict(type='RepeatDataset', times=16, dataset=_base_.real), _base_.mixed, _base_.goals]
train_dataloader = dict(dataset=dict(datasets=parts))
