"""The optimisers, by name."""

from collections.abc import Callable
from itertools import chain
from typing import Any

import torch
from torch import Tensor, nn
from torch.optim import Optimizer

from priory.vae import VAE


class Muon(Optimizer):
    r"""Muon for the matrices of a model's networks, Adam for all else.

    A matrix moves along its momentum with all singular values made one, which a few steps of
    Newton and Schulz approximate,

    $$W \leftarrow W - 0.2\,\eta \sqrt{\max(m, n)}\; U V^\top, \qquad U S V^\top = M,$$

    so that its entries move as far, in the mean square, as Adam would move them at the same rate
    $\eta$. Matrices are the weights of the linear layers of the encoder and the decoder; biases,
    convolutions and the whole prior, with its pseudo-inputs, are left to Adam.

    Args:
        vae: The model.
        lr: The step size η of both.
        weight_decay: The share λ by which matrices shrink in each step before they move, by the
            factor $1 - \eta \lambda$.

    Raises:
        ValueError: If torch has no Muon, before version 2.9, or there is no linear layer.

    Reference:
        Jordan et al., *Muon: An optimizer for hidden layers in neural networks*, 2024; Liu et al.,
        *Muon is Scalable for LLM Training*, 2025, equation 4.

    Examples:
        >>> import torch
        >>> from priory import MLP, VAE, BernoulliDecoder, GaussianEncoder, StandardPrior, loss
        >>> from priory.training import Muon
        >>> encoder, decoder = GaussianEncoder(MLP((9,), (4,))), BernoulliDecoder(MLP((2,), (9,)))
        >>> vae = VAE(encoder, decoder, StandardPrior(latent_dim=2))
        >>> optimizer = Muon(vae, lr=1e-3)
        >>> loss(vae, torch.zeros(5, 9)).backward()
        >>> optimizer.step()

    """

    def __init__(self, vae: VAE, lr: float, weight_decay: float | None = None) -> None:
        if not hasattr(torch.optim, "Muon"):
            raise ValueError(
                f"expected torch 2.9 or later for the optimiser muon, got {torch.__version__}; "
                "update it, or take adam."
            )
        layers = chain(vae.encoder.modules(), vae.decoder.modules())
        matrices = list(dict.fromkeys(m.weight for m in layers if isinstance(m, nn.Linear)))
        if not matrices:
            raise ValueError(
                "expected an encoder or a decoder with linear layers for the optimiser muon, got "
                "none; take adam."
            )
        known = set(matrices)
        others = [p for p in vae.parameters() if p not in known]
        groups: list[dict[str, Any]] = [{"params": matrices}, {"params": others}]
        super().__init__(groups, {"lr": lr})
        self.parts: tuple[Optimizer, ...] = (
            torch.optim.Muon(matrices, lr, weight_decay or 0.0, adjust_lr_fn="match_rms_adamw"),
            torch.optim.Adam(others, lr, foreach=True),
        )
        self.param_groups = [part.param_groups[0] for part in self.parts]
        self._share()

    def step(self, closure: Callable[[], Any] | None = None) -> Any:
        """Move all parameters, by the gradients that the closure leaves where there is one."""
        with torch.enable_grad():
            loss: Tensor | None = None if closure is None else closure()
        for part in self.parts:
            part.step()
        return loss

    def load_state_dict(self, state_dict: dict[str, Any]) -> None:
        """Take up the state of an optimiser of the same model."""
        super().load_state_dict(state_dict)
        self._share()

    def _share(self) -> None:
        """Let both parts work on the groups and the state of the whole."""
        for part, group in zip(self.parts, self.param_groups, strict=True):
            part.param_groups, part.state = [group], self.state


def _whole(optimizer: type[Optimizer]) -> Callable[[VAE, float, float | None], Optimizer]:
    def make(vae: VAE, lr: float, weight_decay: float | None) -> Optimizer:
        options: dict[str, Any] = {} if weight_decay is None else {"weight_decay": weight_decay}
        return optimizer(vae.parameters(), lr=lr, foreach=True, **options)  # type: ignore[call-arg]

    return make


OPTIMIZERS: dict[str, Callable[[VAE, float, float | None], Optimizer]] = {
    "adamax": _whole(torch.optim.Adamax),
    "adam": _whole(torch.optim.Adam),
    "adamw": _whole(torch.optim.AdamW),
    "muon": Muon,
}
