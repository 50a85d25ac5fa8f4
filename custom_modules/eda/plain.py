def plain(name: str) -> str:
    r"""Return a name as matplotlib shall write it: a dollar sign would begin a formula.

    Example:
        >>> print(plain('$rock$'))
        \$rock\$
    """
    return name.replace('$', r'\$')
