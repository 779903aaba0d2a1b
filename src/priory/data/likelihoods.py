"""The location of the likelihoods in 0.1.0: the names of `priory.likelihoods`."""

from priory.likelihoods import __all__ as __all__
from priory.likelihoods.choose import *  # noqa: F403
