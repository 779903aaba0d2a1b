"""The conformance kit, which can test any prior, ours or a user's."""

from priory.testing.encoder import TinyEncoder
from priory.testing.kit import CHECKS, check_prior, conformance_test
from priory.testing.results import Report, Result

__all__ = ["CHECKS", "Report", "Result", "TinyEncoder", "check_prior", "conformance_test"]
