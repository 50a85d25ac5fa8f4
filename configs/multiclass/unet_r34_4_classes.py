# As unet_r34, with ground and sky as classes of their own.
#   python tools/train.py configs/multiclass/unet_r34_4_classes.py
_base_ = ['./unet_r34.py']
four = dict(classes=('ground', 'sky', 'small_rock', 'large_rock'), label_map=None)
loss = dict(type='CrossEntropyLoss', class_weight=[0.1, 0.1, 1.2, 1.2])
model = dict(decode_head=dict(num_classes=4, loss_decode=[loss]))
train_dataloader = dict(dataset=four)
val_dataloader = dict(dataset=four)
test_dataloader = dict(dataset=four)
val_evaluator = dict(report_classes=('sky', 'small_rock', 'large_rock'))
test_evaluator = val_evaluator
