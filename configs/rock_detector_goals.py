# The detector of synthetic scenes for a rover's photographs: boulders before the lens last. It takes more rough ground for rock.
#   python tools/prepare_data.py synthetic --style goal --count 600 --seed 1 --size 421x280 --out data/moon_goals_600
#   python tools/train.py configs/rock_detector_goals.py
_base_ = ['./rock_detector_synthetic.py']
checkpoint = '{{fileDirname}}/../checkpoints/rock_detector_synthetic.pth'
model = dict(init_cfg=dict(type='Pretrained', checkpoint=checkpoint))
goals = '{{$MOON_GOALS:data/moon_goals_600}}'
train_dataloader = dict(dataset=dict(data_root=goals, split='all'))
optim_wrapper = dict(optimizer=dict(lr=1.5e-3))
train_cfg = dict(max_epochs=8)
tta_pipeline = _base_.scales_tta_pipeline
