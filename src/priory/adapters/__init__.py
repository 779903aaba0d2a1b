"""Other people's models as encoders, and their distributions as priors."""

from priory.adapters.foreign_prior import as_prior
from priory.adapters.moments import posterior

__all__ = ["as_prior", "posterior"]
