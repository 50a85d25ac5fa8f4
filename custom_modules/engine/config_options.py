from mmengine.config import DictAction


class ConfigOptions(DictAction):
    """mmengine's ``--cfg-options`` that answers a malformed pair with the parser's usage line."""

    def __call__(self, parser, namespace, values, option_string=None) -> None:
        """Parse the pairs.

        Args:
            parser (argparse.ArgumentParser): The parser.
            namespace (argparse.Namespace): Where the parsed pairs go.
            values (list[str]): The pairs as they stand on the command line.
            option_string (str, optional): The flag as written.
        """
        for value in values:
            if '=' not in value:
                parser.error(f'{option_string} takes KEY=VALUE pairs, got {value!r}')
        super().__call__(parser, namespace, values, option_string)
