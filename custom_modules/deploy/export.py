"""From a config with its checkpoint to one ONNX file that gives the same."""

import hashlib
from dataclasses import dataclass
from pathlib import Path

import numpy as np
import onnx
import torch

from custom_modules.deploy.detector import BEST_CHECKPOINT, BEST_CONFIG
from custom_modules.deploy.torch_model import TorchModel
from custom_modules.evaluation.exported import OnnxModel
from custom_modules.preparation.synthetic.renderer import MoonRenderer
from custom_modules.utils.errors import UsageError
from custom_modules.utils.files import write_atomically
from custom_modules.utils.tables import progress

# largest deviation from PyTorch of a file that is written
TOLERANCE = 1e-3
CHECKED = 32


def export_onnx(model: TorchModel, dynamic: bool = False) -> bytes:
    """Export a model, which is on the CPU: pixels in, probabilities out.

    The input is ``images``, RGB (N, H, W, 3), uint8; the output ``probability``, float32: (N, H, W) of one channel,
    (N, K, H, W) of several, (N, K) of a classifier. N is free; if ``dynamic`` H and W too, else they are those of training.
    The file is whole in itself; the card is its metadata.

    Raises:
        UsageError: If torch cannot export it.
    """
    width, height = model.card.size
    free = torch.export.Dim.DYNAMIC
    # unlike sides: what is equal in the example would be taken for equal always
    example = torch.zeros(2, height, width + 32 * dynamic, 3, dtype=torch.uint8)
    axes = {0: free, 1: free, 2: free} if dynamic else {0: free}
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
        name, why = model.card.source.split()[0], str(error).strip().splitlines()[0]
        raise UsageError(f'torch cannot export {name}: {why}') from error
    exported = program.model_proto
    (images,), (probability,) = exported.graph.input, exported.graph.output
    names = {a.dim_param: n for a, n in zip(images.type.tensor_type.shape.dim, 'NHW', strict=False)}
    for axis in (a for v in (images, probability) for a in v.type.tensor_type.shape.dim):
        if axis.dim_param:
            axis.dim_param = names.get(axis.dim_param, axis.dim_param)
    # the inner tensors' sizes keep torch's own names
    del exported.graph.value_info[:]
    onnx.helper.set_model_props(exported, model.card.as_metadata())
    return exported.SerializeToString()


@dataclass(frozen=True)
class Deviation:
    """How an exported model differs from its checkpoint: the largest difference of a probability, and the share of same classes."""

    largest: float
    agreement: float
    images: int


def compare(model, other) -> Deviation:
    """Compare two forms of one model (OnnxModel or TorchModel) on 32 synthetic scenes."""
    renderer = MoonRenderer(0, model.card.size)
    largest, same = 0.0, []
    for number in progress(range(1, CHECKED + 1), 'Comparing', CHECKED):
        # as files are: OpenCV renders BGR
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
    """Export the best published detector, where that has not been done yet, to a file named after config and checkpoint."""
    digest = hashlib.sha256(BEST_CHECKPOINT.read_bytes()).hexdigest()
    path = Path(folder, f'{BEST_CONFIG.stem}_{digest[:8]}.onnx')
    if not path.exists():
        model = TorchModel(BEST_CONFIG, BEST_CHECKPOINT, device='cpu')
        exported = export_onnx(model)
        require_equal(compare(model, OnnxModel(exported)))
        write_atomically(path, exported)
    return path
