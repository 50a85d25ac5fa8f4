"""From an exported file to one that computes in whole numbers of 8 bits, and what that costs."""

from collections.abc import Sequence
from pathlib import Path
from tempfile import TemporaryDirectory

import numpy as np
import onnx
from mmengine.registry import DATASETS
from onnxruntime.quantization import QuantFormat, QuantType, quantize_static
from onnxruntime.quantization.shape_inference import quant_pre_process

from custom_modules.deploy.detector import resized
from custom_modules.deploy.torch_model import TorchModel
from custom_modules.evaluation.confusion import ConfusionScores
from custom_modules.utils.errors import UsageError
from custom_modules.utils.images import read_image
from custom_modules.utils.inputs import find_pictures
from custom_modules.utils.tables import progress

# a picture (1, H, W, 3) and its true labels (1, H, W), where there is a mask
Sample = tuple[np.ndarray, np.ndarray | None]
# pictures whose activations are looked at; more change little
MOST = 200


def load_samples(model: TorchModel, folder: str | Path) -> list[Sample]:
    """Load pictures of the model's size, with masks where they lie as in the data root of the config's test data set.

    Raises:
        UsageError: If there are fewer than two pictures.
    """
    samples = _pairs(model, folder) if model.card.task == 'segmentation' else []
    if not samples:
        images = (read_image(s.path) for s in progress(find_pictures([str(folder)]), 'Reading'))
        samples = [(resized(image, model.card.size)[None], None) for image in images]
    if len(samples) < 2:
        raise UsageError(f'{folder} holds a single picture: 2 or more are needed, 100 are good.')
    return samples


def _pairs(model: TorchModel, folder: str | Path) -> list[Sample]:
    config = dict(model.config.test_dataloader.dataset, data_root=str(folder), split='all')
    try:
        dataset = DATASETS.build(config)
    except (UsageError, FileNotFoundError, TypeError):
        # not in this layout, or a data set of another kind: pictures then
        return []
    samples = []
    for sample in progress(dataset, 'Reading', len(dataset)):
        # data sets load BGR
        image = np.ascontiguousarray(sample['inputs'].permute(1, 2, 0).numpy()[None, ..., ::-1])
        truth = sample['data_samples'].gt_sem_seg.data.numpy()
        samples.append((image, truth.astype(np.uint8)))
    return samples


class _Reader:
    """Pictures as onnxruntime asks for them."""

    def __init__(self, samples: Sequence[Sample]) -> None:
        self._images = (image for image, _ in samples)

    def get_next(self) -> dict | None:
        image = next(self._images, None)
        return None if image is None else dict(images=image)


def quantize(exported: bytes, samples: Sequence[Sample]) -> bytes:
    """Quantize a file of :func:`export_onnx`: static, per channel, with QDQ nodes; uint8 activations, int8 weights.

    The ranges of the activations are taken from the samples. What brings the pixels into their range stays as it is, and so
    does the last convolution with its sigmoid.
    """
    with TemporaryDirectory() as folder:
        plain, ready, small = (Path(folder, f'{name}.onnx') for name in ('plain', 'ready', 'small'))
        plain.write_bytes(exported)
        quant_pre_process(plain, ready)
        nodes = onnx.load(ready).graph.node
        convolutions = [i for i, node in enumerate(nodes) if node.op_type == 'Conv']
        inner = range(convolutions[0], convolutions[-1])
        quantize_static(
            ready,
            small,
            _Reader(samples[:MOST]),
            quant_format=QuantFormat.QDQ,
            per_channel=True,
            activation_type=QuantType.QUInt8,
            weight_type=QuantType.QInt8,
            nodes_to_exclude=[node.name for i, node in enumerate(nodes) if i not in inner],
        )
        return small.read_bytes()


def score(model, samples: Sequence[Sample], reference) -> float:
    """Score a model (OnnxModel or TorchModel) from 0 to 100: mean Dice of the classes but the background, of all pixels together.

    Of a classifier it is the share of right pictures. Where there is no mask, the labels of ``reference`` are taken for true.
    """
    classes = len(model.card.classes)
    scores = ConfusionScores(np.zeros((classes, classes)))
    for image, truth in progress(samples, 'Scoring'):
        truth = reference.card.labels(reference(image)) if truth is None else truth
        scores += ConfusionScores.from_masks(truth, model.card.labels(model(image)), classes)
    if model.card.task == 'classification':
        return float(scores.accuracy)
    return float(np.nanmean(scores.dice[1:]))
