# What do scenes of boulders before the lens bring? Six epochs of what is left are as many steps as five of all.
#   python tools/train.py configs/ablations/detector_without_goals.py
_base_ = ['../rock_detector.py']
train_dataloader = dict(dataset=dict(datasets=[*_base_.repeated, _base_.mixed]))
train_cfg = dict(max_epochs=6)
