"""Labels as what is known of examples: see `priory.networks.context`."""

from priory.networks.context import call_network

__all__ = ["call_network"]
