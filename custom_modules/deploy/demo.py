"""A page in the browser that outlines the rocks of a photograph; it needs a server, with gradio."""

import copy
import csv
import shutil
import time
from pathlib import Path
from tempfile import mkdtemp

import cv2

from custom_modules.deploy.detector import Picture, RockDetector
from custom_modules.deploy.predict import Results
from custom_modules.preparation.synthetic.renderer import MoonRenderer
from custom_modules.utils.errors import UsageError
from custom_modules.utils.images import Source, image_size

MOST_MEGABYTES, MOST_MEGAPIXELS = 20, 40
EXAMPLES = 4
SECONDS_KEPT = 3600  # of an upload and its results
ASK = 'Drop a photograph, or choose a scene.'
HEADS = ['number', 'area', 'left', 'top', 'width', 'height', 'probability']


class Page:
    """The actions of the page, apart from its layout.

    The detector is in mode ``'whole'``. Examples and results are written into ``folder``, which the caller removes.
    """

    def __init__(self, detector: RockDetector, folder: Path) -> None:
        self.detector, self._folder = detector, folder
        self.examples = [folder / f'scene {number}.png' for number in range(1, EXAMPLES + 1)]
        renderer = MoonRenderer(28, (720, 480))
        for number, path in enumerate(self.examples, 1):
            cv2.imwrite(str(path), renderer.render(number)[0])

    def predict(self, path: str | None, windows: int) -> tuple[Picture, object] | None:
        """Read a picture, and predict its map of probabilities, which does not depend on the threshold.

        Its shorter side is cut into so many windows; 0 predicts the whole picture at once. A file that is no picture, or too large,
        raises a ``gradio.Error``.
        """
        if path is None:
            return None
        try:
            width, height = image_size(path)
            if width * height > MOST_MEGAPIXELS * 10**6:
                raise UsageError(
                    f'The picture has {width}x{height} pixels, and {MOST_MEGAPIXELS} million are the most here: shrink it, or '
                    'use tools/predict.py.'
                )
            detector = copy.copy(self.detector)
            if windows:
                detector.mode, detector.scale = 'tile', windows * min(detector.card.size) / min(width, height)
            picture = detector.prepare(path)
            return picture, *detector.maps([picture])
        except UsageError as error:
            from gradio import Error

            text = str(error).replace(path, Path(path).name)
            raise Error(text, duration=None, print_exception=False) from error

    def answer(self, predicted: tuple | None, threshold: float) -> tuple:
        """Outline and list the rocks of what :meth:`predict` returned, where the probability is above the threshold.

        Returns a sentence, the overlay's path, rows of the table, and the paths of mask, overlay and CSV.
        """
        if predicted is None:
            return ASK, None, [], None, None, None
        for old in self._folder.glob('answer_*'):
            if old.stat().st_mtime < time.time() - SECONDS_KEPT:
                shutil.rmtree(old, ignore_errors=True)
        detector = copy.copy(self.detector)
        if detector.threshold is not None:
            detector.threshold = threshold
        results = Results(mkdtemp(prefix='answer_', dir=self._folder), detector, {})
        results.record(results.add(Source(Path('rocks.png'), 'rocks.png'), *predicted))
        results.finish()
        files = 'masks/rocks.png', 'overlays/rocks.jpg', 'rocks.csv'
        mask, overlay, table = (str(results.out / file) for file in files)
        with open(table, newline='') as file:
            rows = [[row[head] for head in HEADS] for row in csv.DictReader(file)]
        return f'**{len(rows)} rock{"s" * (len(rows) != 1)}**', overlay, rows, mask, overlay, table


def make_page(page: Page):
    """Lay out the page (``gradio.Blocks``)."""
    import gradio as gr

    def selected_scene(event: gr.SelectData) -> str:
        return scenes[event.index]

    default = page.detector.threshold
    with gr.Blocks(title='Moon rocks', analytics_enabled=False, delete_cache=(600, SECONDS_KEPT)) as blocks:
        gr.Markdown('# Moon rocks\nDrop a photograph: its rocks are outlined and listed. It stays on this machine.')
        predicted = gr.State(None)
        with gr.Row():
            with gr.Column(scale=1, min_width=280):
                file = gr.File(label='Photograph', file_types=['image'], height=120, elem_id='photograph')
                scenes = [str(path) for path in page.examples]
                layout = dict(columns=2, height=250, allow_preview=False, interactive=False)
                gallery = gr.Gallery(scenes, label='or a synthetic scene', elem_id='scenes', **layout)
                options = dict(step=0.05, visible=default is not None, elem_id='threshold')
                threshold = gr.Slider(0.05, 0.95, default or 0.5, label='How certain (threshold)', **options)
                label = 'How closely (windows along the shorter side; 0: the picture at once)'
                windows = gr.Slider(0, 4, 0, step=1, label=label, elem_id='windows')
            with gr.Column(scale=2, min_width=280):
                count = gr.Markdown(ASK, elem_id='count')
                overlay = gr.Image(elem_id='picture', show_label=False, interactive=False, buttons=['fullscreen'])
                with gr.Row():
                    downloads = [gr.DownloadButton(n, size='sm', elem_id=n.lower()) for n in ('Mask', 'Overlay', 'CSV')]
                table = gr.Dataframe(headers=HEADS, interactive=False, label='Rocks', max_height=320, elem_id='table')
        outputs = [count, overlay, table, *downloads]
        shared = dict(show_progress='minimal', api_visibility='private', trigger_mode='always_last')
        for event in (file.change, windows.change):
            prediction = event(page.predict, [file, windows], predicted, **shared)
            prediction.success(page.answer, [predicted, threshold], outputs, **shared)
        threshold.change(page.answer, [predicted, threshold], outputs, **shared)
        gallery.select(selected_scene, None, file, **shared)
    return blocks


def serve(model: str | None, folder: Path, host: str, port: int) -> None:
    """Serve the page until Ctrl-C; by default the ``model``, an ``.onnx`` file, is the best published detector, exported.

    Results are written into ``folder``. Raises a UsageError if the model cannot be used, or the port is taken.
    """
    if model is None:
        from custom_modules.deploy.export import export_best

        model = export_best('work_dirs/demo')
    import gradio as gr

    # system fonts: gradio's own themes load theirs from another server
    theme = gr.themes.Base(font=['system-ui', 'sans-serif'], font_mono=['monospace'])
    blocks = make_page(Page(RockDetector(model), folder)).queue(max_size=20)
    options = dict(max_file_size=f'{MOST_MEGABYTES}mb', share=False, ssr_mode=False, prevent_thread_lock=True)
    try:
        blocks.launch(server_name=host, server_port=port, theme=theme, footer_links=[], quiet=True, **options)
    except OSError as error:
        raise UsageError(f'{host}:{port} cannot be used ({error}): choose another --port.') from error
    print(f'http://{host}:{port}', flush=True)
    blocks.block_thread()
