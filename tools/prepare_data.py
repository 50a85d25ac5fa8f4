"""Prepare data: render a lunar set, convert the public one or COCO, unpack Tiny ImageNet."""

import argparse
import sys
from pathlib import Path

ROOT = Path(__file__).resolve().parent.parent
sys.path.insert(0, str(ROOT))

from custom_modules.preparation.commands import (
    add_coco_commands,
    add_lunar_command,
    add_synthetic_command,
)
from custom_modules.preparation.tiny_imagenet import TinyImageNetArchive
from custom_modules.utils.errors import UsageError


class OneLineParser(argparse.ArgumentParser):
    """A parser that reports a wrong argument as one sentence, without the usage text."""

    def error(self, message):
        """Raise instead of printing, so that every error ends in the same place."""
        raise UsageError(f'{message} (see: {self.prog} --help).')


def build_parser():
    """Return the command line."""
    parser = OneLineParser(prog='prepare_data.py', description=__doc__)
    commands = parser.add_subparsers(title='commands', dest='command', required=True)

    def add(name, run, text, out, out_text):
        shape = argparse.ArgumentDefaultsHelpFormatter
        command = commands.add_parser(name, help=text, description=text, formatter_class=shape)
        # suppressed where there is none, so that the help does not say "default: None"
        default = argparse.SUPPRESS if out is None else out
        command.add_argument(
            '--out', type=Path, default=default, required=out is None, help=out_text
        )
        command.set_defaults(run=run)
        return command

    data = ROOT / 'data'
    add_synthetic_command(add, data)
    add_lunar_command(add, data)

    text = 'Unpack a Tiny ImageNet archive (zip or tar) after checking that it is safe.'
    command = add('tiny-imagenet', tiny_imagenet, text, data, 'folder to unpack to')
    command.add_argument('archive', type=Path, help='the downloaded archive')

    add_coco_commands(add)
    return parser


def tiny_imagenet(args):
    """Unpack Tiny ImageNet."""
    archive = TinyImageNetArchive(args.archive, args.out)
    files = archive.unpack()
    if files:
        print(f'Unpacked {files} files, {archive.classes()} classes, to {archive.target}.')
    else:
        print(f'{archive.target} is already there: nothing to do.')
    print('Next: python tools/train.py configs/classifier.py')


def main(argv=None):
    """Run the command line.

    Args:
        argv: Arguments without the program's name; those of the process by default.

    Returns:
        Exit code: 0 done, 2 bad input, 130 interrupted.
    """
    try:
        args = build_parser().parse_args(argv)
        args.run(args)
    except UsageError as error:
        print(error, file=sys.stderr)
        return 2
    except OSError as error:
        print(f'Cannot go on: {error}.', file=sys.stderr)
        return 2
    except KeyboardInterrupt:
        print('Stopped; no file is half written: run the same command again.', file=sys.stderr)
        return 130
    return 0


if __name__ == '__main__':
    raise SystemExit(main())
