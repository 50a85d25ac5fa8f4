# A larger detector, without the budget: 256x256, and a fifth stage; from synthetic scenes alone.
#   MOON_DATA=data/moon_synthetic_2000 python tools/train.py configs/rock_detector_large_synthetic.py
_base_ = ['./rock_detector_synthetic.py']
model = dict(
    backbone=dict(widths=(16, 32, 64, 128, 256, 512), depths=(1, 2, 2, 2, 1)),
    # as its row in docs/ was measured, before the small one's loss was found
    decode_head=dict(loss_decode=_base_.losses.bce_dice),
)
train_dataloader = dict(dataset=dict(load_size=(256, 256)))
val_dataloader = dict(dataset=dict(load_size=(256, 256)))
test_dataloader = val_dataloader
train_cfg = dict(max_epochs=8)
