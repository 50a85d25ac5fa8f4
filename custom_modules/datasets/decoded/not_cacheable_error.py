class NotCacheableError(Exception):
    """Why a data set goes on without a cache: the beginning of a sentence, for a warning."""
