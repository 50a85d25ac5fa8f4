"""A static page that outlines the rocks of a photograph: the network runs in the visitor's browser."""

import json
import shutil
from pathlib import Path

import cv2
import numpy as np
import onnx
from onnx import numpy_helper

from custom_modules.deploy.export import TOLERANCE, compare
from custom_modules.evaluation.exported import OnnxModel
from custom_modules.preparation.synthetic.renderer import MoonRenderer
from custom_modules.utils.errors import UsageError
from custom_modules.utils.files import REPOSITORY, write_atomically

SOURCE = REPOSITORY / 'docs' / 'demo'  # the hand-written page, with a copy of onnxruntime-web
# a visitor downloads it, so the smallest published detector; not in int8, which gives other results in a browser
SMALLEST = REPOSITORY / 'checkpoints' / 'rock_detector_mobile.onnx'
SCENES = 3
MARK = 'content="tools/demo.py"'  # in the index.html of a page that may be replaced
LARGE = 1024  # least numbers of a tensor that is worth storing in 16 bits


def write_page(model: str | Path | None, folder: Path) -> list[str]:
    """Write the page into a folder, perhaps over an earlier one, and return lines to print; it works at any URL.

    The model is an ``.onnx`` file of a segmentor with one channel, by default the smallest published detector in float32. Another
    model, or a folder with another page, is refused with a UsageError.
    """
    index = folder / 'index.html'
    if folder.is_file() or index.is_file() and MARK not in index.read_text(errors='replace'):
        what = 'is a file' if folder.is_file() else 'holds another index.html'
        raise UsageError(f'{folder} {what}: choose another folder with --static.')
    path = Path(model or SMALLEST)
    given = OnnxModel(path)
    if given.card.task != 'segmentation' or given.card.threshold is None:
        kind = 'is a classifier' if given.card.task != 'segmentation' else 'has several channels'
        raise UsageError(f'the page is for a segmentor with one channel, and {path} {kind}: use tools/predict.py.')
    content = path.read_bytes()
    small = halved(content)
    deviation = compare(given, OnnxModel(small))
    kept = deviation.largest <= TOLERANCE and len(small) < len(content)
    if folder.resolve() != SOURCE:
        shutil.copytree(SOURCE, folder, ignore=shutil.ignore_patterns('model.*', 'scene*.jpg'), dirs_exist_ok=True)
    write_atomically(folder / 'model.onnx', small if kept else content)
    write_atomically(folder / 'model.json', json.dumps(vars(given.card)).encode() + b'\n')
    renderer = MoonRenderer(28, (720, 480))
    for number in range(1, SCENES + 1):
        picture = cv2.imencode('.jpg', renderer.render(number)[0], [cv2.IMWRITE_JPEG_QUALITY, 85])
        write_atomically(folder / f'scene{number}.jpg', picture[1].tobytes())
    size = sum(file.stat().st_size for file in folder.rglob('*') if file.is_file())
    how = f', its weights in 16 bits (probabilities differ by {deviation.largest:.1e} at most)' if kept else ''
    return [f'{folder}: {size / 2**20:.1f} MiB; {path.name}{how}', f'look at it: python -m http.server --directory {folder}']


def halved(content: bytes) -> bytes:
    """Store the large float32 tensors of an ``.onnx`` file's model in 16 bits; it computes in 32 bits as before."""
    model = onnx.load_from_string(content)
    casts = []
    for tensor in model.graph.initializer:
        values = numpy_helper.to_array(tensor)
        if values.dtype == np.float32 and values.size >= LARGE:
            name, half = tensor.name, f'{tensor.name}.half'
            tensor.CopyFrom(numpy_helper.from_array(values.astype(np.float16), half))
            # onnxruntime computes the cast once, when the model is loaded
            casts.append(onnx.helper.make_node('Cast', [half], [name], to=onnx.TensorProto.FLOAT))
    nodes = [*casts, *model.graph.node]
    del model.graph.node[:]
    model.graph.node.extend(nodes)
    return model.SerializeToString()
