"""Export of a config with its checkpoint to one ONNX file, in float32 or quantized to int8."""

import hashlib
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path
from tempfile import TemporaryDirectory
from types import SimpleNamespace

import numpy as np
import onnx
import torch
from mmengine.registry import DATASETS
from onnxscript import ir
from onnxscript.rewriter import RewriteRule, rewrite

from custom_modules.datasets.pairs import MissingMasksError
from custom_modules.deploy.detector import BEST_CHECKPOINT, BEST_CONFIG, resized
from custom_modules.deploy.torch_model import TorchModel
from custom_modules.evaluation.confusion import ConfusionScores
from custom_modules.evaluation.exported import OnnxModel
from custom_modules.preparation.synthetic.renderer import MoonRenderer
from custom_modules.utils.errors import UsageError, first_line
from custom_modules.utils.files import write_atomically
from custom_modules.utils.images import find_pictures, read_image
from custom_modules.utils.tables import progress

TOLERANCE = 1e-3  # largest deviation from PyTorch of a file that is written
CHECKED = 32  # synthetic scenes that models are compared on
CALIBRATED = 200  # most pictures that int8 is calibrated on; more change little
Sample = tuple[np.ndarray, np.ndarray | None]  # a picture (1, H, W, 3) and its true labels (1, H, W), if it has a mask


def export_onnx(model: TorchModel, dynamic: bool = False) -> bytes:
    """Export a model, which is on the CPU: pixels in, probabilities out.

    The input is ``images``, RGB (N, H, W, 3), uint8; the output ``probability``, float32: (N, H, W) of one channel,
    (N, K, H, W) of several, (N, K) of a classifier. N is free; if ``dynamic`` H and W too, else they are those of training.
    The file needs no other file; the card is its metadata. Raises a UsageError if torch cannot export it.
    """
    width, height = model.card.size
    # different sides: torch.export would take equal ones for the same dimension
    example = torch.zeros(2, height, width + 32 * dynamic, 3, dtype=torch.uint8)
    axes = {0: 'N', 1: 'H', 2: 'W'} if dynamic else {0: 'N'}
    try:
        program = torch.onnx.export(
            model.network.to(memory_format=torch.contiguous_format),
            (example,),
            input_names=['images'],
            output_names=['probability'],
            dynamic_shapes=dict(images=axes),
            dynamo=True,
            verbose=False,
        )
    except torch.onnx.errors.OnnxExporterError as error:
        raise UsageError(f'torch cannot export {model.card.source.split()[0]}: {first_line(error)}') from error
    exported = program.model_proto
    # the shapes of inner tensors, which no program needs
    del exported.graph.value_info[:]
    onnx.helper.set_model_props(exported, model.card.as_metadata())
    return exported.SerializeToString()


@dataclass(frozen=True)
class Deviation:
    """How an exported model differs from its checkpoint."""

    largest: float  # difference of a probability
    agreement: float  # share of equal labels
    images: int


def compare(model, other) -> Deviation:
    """Compare two forms of one model (OnnxModel or TorchModel) on 32 synthetic scenes."""
    renderer = MoonRenderer(0, model.card.size)
    largest, same = 0.0, []
    for number in progress(range(1, CHECKED + 1), 'Comparing', CHECKED):
        # the renderer gives BGR
        image = renderer.render(number)[0][None, ..., ::-1]
        a, b = model(image), other(image)
        largest = max(largest, float(np.abs(a - b).max()))
        same.append((model.card.labels(a) == model.card.labels(b)).mean())
    return Deviation(largest, float(np.mean(same)), CHECKED)


def require_equal(deviation: Deviation) -> None:
    """Refuse a model that differs from its checkpoint by more than 0.001, with a UsageError."""
    if not deviation.largest <= TOLERANCE:
        raise UsageError(
            f'the exported model differs from PyTorch by {deviation.largest:.2g}, more than {TOLERANCE:g}: nothing is '
            'written; another version of torch or onnxscript may export it right.'
        )


def export_best(folder: str | Path) -> Path:
    """Export the best published detector, if that has not been done yet, to a file named after its config and checkpoint."""
    digest = hashlib.sha256(BEST_CHECKPOINT.read_bytes()).hexdigest()
    path = Path(folder, f'{BEST_CONFIG.stem}_{digest[:8]}.onnx')
    if not path.exists():
        model = TorchModel(BEST_CONFIG, BEST_CHECKPOINT, device='cpu')
        exported = export_onnx(model)
        require_equal(compare(model, OnnxModel(exported)))
        write_atomically(path, exported)
    return path


def load_samples(model: TorchModel, folder: str | Path) -> list[Sample]:
    """Load pictures of the model's size, with masks if the folder is laid out as the data root of the config's test data set.

    Raises a UsageError if there are fewer than two pictures.
    """
    samples = _samples_with_masks(model, folder) if model.card.task == 'segmentation' else []
    if not samples:
        images = (read_image(s.path) for s in progress(find_pictures([str(folder)]), 'Reading'))
        samples = [(resized(image, model.card.size)[None], None) for image in images]
    if len(samples) < 2:
        raise UsageError(f'{folder} holds a single picture: 2 or more are needed, 100 are good.')
    return samples


def _samples_with_masks(model: TorchModel, folder: str | Path) -> list[Sample]:
    config = dict(model.config.test_dataloader.dataset, data_root=str(folder), split='all')
    try:
        DATASETS.build(dict(config, check=False, cache=None))
    except (UsageError, FileNotFoundError, TypeError) as error:
        if isinstance(error, MissingMasksError) and not error.__cause__:
            # other pictures have masks, so this is the right layout
            raise
        # another layout, or another kind of data set: pictures without masks
        return []
    dataset, samples = DATASETS.build(config), []
    for sample in progress(dataset, 'Reading', len(dataset)):
        # data sets load BGR
        image = np.ascontiguousarray(sample['inputs'].permute(1, 2, 0).numpy()[None, ..., ::-1])
        samples.append((image, sample['data_samples'].gt_sem_seg.data.numpy().astype(np.uint8)))
    return samples


def quantize(exported: bytes, samples: Sequence[Sample]) -> bytes:
    """Quantize a file of :func:`export_onnx`: static, per channel, with QDQ nodes; activations of 8 bits, weights of 7 in int8.

    The ranges of the activations are taken from the samples. What precedes the first convolution stays in float32, and so
    does the last convolution with what follows.
    """
    from onnxruntime.quantization import QuantFormat, QuantType, quantize_static
    from onnxruntime.quantization.shape_inference import quant_pre_process

    images = (dict(images=image) for image, _ in samples[:CALIBRATED])
    # what quantize_static calls of a CalibrationDataReader
    reader = SimpleNamespace(get_next=lambda: next(images, None))
    with TemporaryDirectory() as folder:
        source, prepared, small = (Path(folder, f'{name}.onnx') for name in ('source', 'prepared', 'small'))
        source.write_bytes(exported)
        quant_pre_process(source, prepared, skip_symbolic_shape=True)
        model = rewrite(onnx.load(prepared), CONVOLUTIONS)
        onnx.save(model, prepared)
        nodes = model.graph.node
        convolutions = [i for i, node in enumerate(nodes) if node.op_type == 'Conv']
        inner = range(convolutions[0], convolutions[-1])
        quantize_static(
            prepared,
            small,
            reader,
            quant_format=QuantFormat.QDQ,
            per_channel=True,
            # 7 bits: with 8, sums of products overflow on x86 processors without VNNI
            reduce_range=True,
            activation_type=QuantType.QUInt8,
            weight_type=QuantType.QInt8,
            nodes_to_exclude=[node.name for i, node in enumerate(nodes) if i not in inner],
        )
        return small.read_bytes()


def _is_even(context, x, **others) -> bool:
    return x.shape is not None and all(isinstance(side, int) and side % 2 == 0 for side in x.shape[2:])


def _mean(op, x):
    return op.AveragePool(x, kernel_shape=[2, 2], strides=[2, 2], pads=[0, 0, 0, 0])


def _mean_as_convolution(op, x):
    weight = ir.tensor(np.full((x.shape[1], 1, 2, 2), 0.25, np.float32))
    return op.Conv(x, op.initializer(weight, f'{x.name}/mean'), strides=[2, 2], group=x.shape[1])


def _enlargement(op, x, weight, bias):
    return op.ConvTranspose(x, weight, bias, kernel_shape=[2, 2], strides=[2, 2], pads=[0, 0, 0, 0], group=1)


def _enlargement_as_convolution(op, x, weight, bias):
    """Give each pixel its 2x2 pixels as channels, and move these: channels last, as onnxruntime keeps them between convolutions."""

    def constant(name, values):
        return op.initializer(ir.tensor(values), f'{weight.name}/{name}')

    height, width, channels = *x.shape[2:], weight.shape[1]
    kernel = weight.const_value.numpy().transpose(2, 3, 1, 0).reshape(-1, x.shape[1], 1, 1)
    pixels = op.Conv(x, constant('kernel', kernel), constant('bias', np.tile(bias.const_value.numpy(), 4)))
    cut = constant('cut', np.array([-1, height, width, 2, 2, channels]))
    joined = constant('joined', np.array([-1, 2 * height, 2 * width, channels]))
    pixels = op.Reshape(op.Transpose(pixels, perm=[0, 2, 3, 1]), cut)
    return op.Transpose(op.Reshape(op.Transpose(pixels, perm=[0, 1, 3, 2, 4, 5]), joined), perm=[0, 3, 1, 2])


# in int8 onnxruntime is slow at all but convolutions
CONVOLUTIONS = [
    RewriteRule(_mean, _mean_as_convolution, _is_even),
    RewriteRule(_enlargement, _enlargement_as_convolution, _is_even),
]


def score(model, samples: Sequence[Sample], reference) -> float:
    """Score a model (OnnxModel or TorchModel) from 0 to 100: mean Dice of the foreground classes over all pixels; accuracy of a classifier.

    Without a mask the labels that the model ``reference`` predicts are taken for true.
    """
    classes = len(model.card.classes)
    scores = ConfusionScores(np.zeros((classes, classes)))
    for image, truth in progress(samples, 'Scoring'):
        truth = reference.card.labels(reference(image)) if truth is None else truth
        scores += ConfusionScores.from_masks(truth, model.card.labels(model(image)), classes)
    return float(scores.accuracy) if model.card.task == 'classification' else scores.foreground_dice
