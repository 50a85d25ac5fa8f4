# As lunar_multiclass.py, with ground and sky as classes of their own.
_base_ = ['./lunar_multiclass.py']
four = dict(classes=('ground', 'sky', 'small_rock', 'large_rock'), label_map=None)
train_dataloader = dict(dataset=four)
val_dataloader = dict(dataset=four)
test_dataloader = dict(dataset=four)
evaluated = dict(report_classes=('sky', 'small_rock', 'large_rock'))
val_evaluator = evaluated
test_evaluator = evaluated
