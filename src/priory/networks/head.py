"""A network followed by a distribution: the base of encoders and decoders."""

from typing import Any, ClassVar

import torch
from torch import Tensor, nn
from torch.nn.functional import one_hot

from priory.distributions.torch_distributions import unchecked_in_export
from priory.networks.calls import num_batches_of, num_labels_of
from priory.networks.context import Context, given, given_batches, given_shares


class Head(nn.Module):
    """Turns the output of a network into a distribution."""

    knows_batches: ClassVar[bool] = True
    """Whether a network that takes batches always receives them; otherwise they may be unknown."""

    def __init__(self, network: nn.Module) -> None:
        super().__init__()
        self.network = network

    def __call__(self, *args: Any, **kwargs: Any) -> Any:
        """Return a distribution, which can be exported."""
        return unchecked_in_export(super().__call__, *args, **kwargs)

    @property
    def num_labels(self) -> int | None:
        """The number of labels that the network takes; None if it takes none."""
        return num_labels_of(self.network)

    @property
    def num_batches(self) -> int | None:
        """The number of batches that the network takes; None if it takes none."""
        return num_batches_of(self.network)

    def outputs(self, x: Tensor, context: Context | None) -> Tensor:
        """Call the network, like `outputs_of`."""
        return outputs_of(self.network, x, context, knows_batches=self.knows_batches)


def outputs_of(
    network: nn.Module, x: Tensor, context: Context | None, *, knows_batches: bool = False
) -> Tensor:
    """Call a network, with the labels and the batches of the context if it takes them.

    Under autocast the network runs in half precision, but its output is in single precision,
    because a density sums too many terms for half precision.

    Args:
        network: The network.
        x: Its input.
        context: The context of the examples.
        knows_batches: Whether one that takes batches always receives them; otherwise they may be
            unknown.
    """
    num_labels, num_batches, options = num_labels_of(network), num_batches_of(network), {}
    shares = []
    if num_labels is not None:
        how = "the model with Context(labels=labels)"
        shares.append(given_shares(context, num_labels, how, like=x))
    if num_batches is not None and (knows_batches or given(context).batch_label is not None):
        options["batches"] = one_hot(given_batches(context, num_batches), num_batches).to(x)
    out: Tensor = network(x, *shares, **options)
    return out.float() if torch.is_autocast_enabled(out.device.type) else out
