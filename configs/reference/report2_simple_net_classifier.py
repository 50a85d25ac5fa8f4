# Report 2's classifier: 4 classes (guacamole, ice lolly, meat loaf, lakeside), bottleneck blocks, 129,012 parameters.
#   python tools/train.py configs/reference/report2_simple_net_classifier.py
_base_ = ['../_base_/classifier.py']
wnids = ['n07583066', 'n07615774', 'n07871810', 'n09332890']
model = dict(backbone=dict(type='SimpleNet'), head=dict(num_classes=4, topk=(1,)))
train_dataloader = dict(batch_size=32, dataset=dict(wnids=wnids))
val_dataloader = dict(dataset=dict(wnids=wnids))
test_dataloader = dict(dataset=dict(wnids=wnids))
# a top-5 of four classes says nothing
val_evaluator = [dict(type='Accuracy'), dict(type='ClassificationReport')]
test_evaluator = val_evaluator
