import argparse
import re

from mmengine.config import DictAction

from custom_modules.usage_error import UsageError


class ConfigOptions(DictAction):
    """mmengine's ``--cfg-options`` that answers what it cannot read with the parser's usage line."""

    def __call__(self, parser, namespace, values, option_string=None) -> None:
        """Parse the pairs.

        Args:
            parser (argparse.ArgumentParser): The parser.
            namespace (argparse.Namespace): Where the parsed pairs go.
            values (list[str]): The pairs as they stand on the command line.
            option_string (str, optional): The flag as written.
        """
        try:
            pairs = dict(self.pair(value) for value in values)
        except UsageError as error:
            raise argparse.ArgumentError(self, str(error)) from error
        setattr(namespace, self.dest, {**(getattr(namespace, self.dest) or {}), **pairs})

    @staticmethod
    def pair(text: str) -> tuple[str, object]:
        """Read one pair. mmengine takes ``a=dict(b=1)`` for a word and gives up on a bracket that stays open.

        Args:
            text (str): ``KEY=VALUE``, a value being a number, a word, or a list of these.

        Returns:
            tuple[str, object]: The dotted key and its value.

        Raises:
            UsageError: If it is no such pair.

        Example:
            >>> ConfigOptions.pair('load_size=(256,256)')
            ('load_size', (256, 256))
            >>> ConfigOptions.pair('default_hooks.checkpoint.filename_tmpl=e{}.pth')
            ('default_hooks.checkpoint.filename_tmpl', 'e{}.pth')
        """
        key, equals, value = text.partition('=')
        if not key or not equals:
            raise UsageError(f'a setting is written KEY=VALUE, got {text!r}.')
        # a brace within a word is none: filename_tmpl=epoch_{}.pth
        if re.search(r'(^|[\[(,])\s*(dict\(|{)', value):
            raise UsageError(
                f'a setting takes numbers, words and lists of them, not a dict, got {text!r}: set its keys one by one '
                '(such as model.decode_head.loss_decode.1.loss_weight=2), or inherit from the config in a file of your own.'
            )
        try:
            return key, DictAction._parse_iterable(value)
        except (AssertionError, RecursionError) as error:
            raise UsageError(
                f'a setting cannot be read from {text!r}: every bracket and quote has to close, and a comma outside of brackets '
                'makes a list.'
            ) from error
