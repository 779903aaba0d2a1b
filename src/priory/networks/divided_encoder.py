"""An encoder whose work is divided among processes."""

from typing import Any

import torch
from torch import Tensor
from torch.distributions import Distribution, Independent, Normal

from priory.distributions import loc_and_scale
from priory.networks.calls import Encoder, call, num_labels_of
from priory.networks.context import Context, given
from priory.processes import Processes


class DividedEncoder:
    """An encoder in which each process encodes its share of the inputs, and all get all posteriors.

    It replaces the encoder if every process has the same inputs: the exemplars or pseudo-inputs of
    a prior called with it are encoded by all processes together. The gradient is that of the sum of
    the processes' results. Posteriors that are not diagonal Gaussians are computed completely in
    each process.

    Args:
        encoder: The module that returns q(z|x).
        processes: The processes.

    Examples:
        >>> import torch
        >>> from priory import MLP, GaussianEncoder
        >>> from priory.networks.divided_encoder import DividedEncoder
        >>> from priory.processes import Processes
        >>> encoder = DividedEncoder(GaussianEncoder(MLP((9,), (4,))), Processes())
        >>> encoder(torch.zeros(5, 9)).batch_shape
        torch.Size([5])
    """

    takes_context = True

    def __init__(self, encoder: Encoder, processes: Processes) -> None:
        self.encoder, self.processes = encoder, processes

    @property
    def num_labels(self) -> int | None:
        """The number of labels that the encoder takes; None if it takes none."""
        return num_labels_of(self.encoder)

    def __call__(self, x: Tensor, context: Context | None = None) -> Distribution:
        """Return the posteriors of all inputs, `(N,)`."""
        total, context = len(x), given(context)
        if total < self.processes.count or self.processes.count == 1:
            return call(self.encoder, x, context)
        rows = self.processes.share(total)
        posterior = call(self.encoder, x[rows], context[rows])
        try:
            both = torch.stack(loc_and_scale(posterior), 1)
        except TypeError:
            return call(self.encoder, x, context)
        gathered = _Gathered.apply(both, self.processes, total)  # type: ignore[no-untyped-call]
        loc, scale = gathered.unbind(1)
        return Independent(Normal(loc, scale, validate_args=False), 1, validate_args=False)


class _Gathered(torch.autograd.Function):
    """The rows of all processes, which each process uses differently."""

    @staticmethod
    def forward(ctx: Any, share: Tensor, processes: Processes, total: int) -> Tensor:
        ctx.processes, ctx.rows = processes, processes.share(total)
        return processes.gather(share, total)

    @staticmethod
    @torch.autograd.function.once_differentiable
    def backward(ctx: Any, grad: Tensor) -> tuple[Tensor, None, None]:
        return ctx.processes.sum(grad)[ctx.rows], None, None
