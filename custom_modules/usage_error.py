class UsageError(ValueError):
    """Something that the user can mend: its message is one sentence with what to do.

    The command lines in ``tools/`` print it without a traceback and exit with code 2.
    """
