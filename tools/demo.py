"""Open a page in the browser: drop a photograph, see its rocks. Stop it with Ctrl-C.

Nothing leaves this machine, and uploads are removed at the end. With --static the page is written to a folder instead,
and needs no server: the network runs in the visitor's browser.
"""

import argparse
import os
import signal
import sys
from pathlib import Path
from tempfile import TemporaryDirectory

sys.path.insert(0, str(Path(__file__).resolve().parents[1]))

from custom_modules.utils.errors import UsageError, reporting_errors


def parse_args() -> argparse.Namespace:
    """Read the command line."""
    parser = argparse.ArgumentParser(description=__doc__)
    text = (
        'an .onnx file of tools/export.py (default: the published detector, exported to work_dirs/demo; with --static '
        'the smallest in float32, checkpoints/rock_detector_mobile.onnx)'
    )
    parser.add_argument('model', nargs='?', help=text)
    text = 'address to answer at; 0.0.0.0 lets others in (default: 127.0.0.1)'
    parser.add_argument('--host', default='127.0.0.1', help=text)
    parser.add_argument('--port', type=int, default=7860, help='default: 7860')
    parser.add_argument(
        '--static',
        type=Path,
        metavar='FOLDER',
        help='write a page for GitHub Pages or any other web space, over an earlier one, and stop',
    )
    return parser.parse_args()


@reporting_errors
def main() -> None:
    """Serve the page, or write it."""
    args = parse_args()
    if args.static:
        try:
            from custom_modules.deploy.static_page import write_page
        except ImportError as error:
            raise UsageError(f'the page needs more packages ({error}): pip install -r requirements/export.txt.') from error
        print(*write_page(args.model, args.static), sep='\n')
        return
    # services are stopped by SIGTERM: uploads are removed then too
    signal.signal(signal.SIGTERM, signal.default_int_handler)
    with TemporaryDirectory(prefix='moon_rocks_') as folder:
        # gradio reads them when it is imported
        os.environ |= dict(GRADIO_TEMP_DIR=folder, GRADIO_ANALYTICS_ENABLED='False')
        try:
            import gradio  # noqa: F401
            import onnxruntime  # noqa: F401
        except ImportError as error:
            raise UsageError(f'the page needs more packages ({error}): pip install -r requirements/demo.txt.') from error
        from custom_modules.deploy.demo import serve

        serve(args.model, Path(folder), args.host, args.port)


if __name__ == '__main__':
    main()
