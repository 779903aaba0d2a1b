"""Put mixture priors of other libraries through the kit, where they are installed.

    pip install -e ".[outside]"
    python benchmarks/outside_world.py

writes the table in `docs/testing.md` and `benchmarks/results/outside_world.json`. Each library is
called through an adapter as thin as it can be; what an adapter adds is said beside it, and is no
fault of the library. These libraries hold their encoders themselves, so the checks of the encoder
that is passed find nothing to check; what the compiler does to them is left out.
"""

import importlib.metadata
import inspect
import json
import warnings
from collections.abc import Callable
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import Any

import torch
from tables import put_table
from torch import Size, Tensor, nn
from torch.distributions import Categorical, Distribution, Independent, MixtureSameFamily, Normal

from priory.testing import check_prior

RESULTS = Path(__file__).parent / "results"
K, L, D = 5, 2, 4


class Adapted(Distribution):
    """A library's density and sampler, as functions of a flat batch."""

    def __init__(self, log_prob: Callable[[Tensor], Tensor], draw: Callable[[int], Tensor]):
        self._log_prob, self._draw = log_prob, draw
        super().__init__(event_shape=Size([L]), validate_args=False)

    def log_prob(self, value: Tensor) -> Tensor:
        """Return the library's log-density, `(*sample,)`."""
        return self._log_prob(value.reshape(-1, L)).reshape(value.shape[:-1])

    @torch.no_grad()
    def sample(self, sample_shape: Any = ()) -> Tensor:
        """Return the library's samples, `(*sample_shape, L)`."""
        return self._draw(Size(sample_shape).numel()).reshape(*sample_shape, L)


class TorchMixture(nn.Module):
    """`MixtureSameFamily` over `Independent` normals."""

    def __init__(self) -> None:
        super().__init__()
        self.logits = nn.Parameter(torch.zeros(K))
        self.loc = nn.Parameter(2 * torch.randn(K, L))
        self.log_scale = nn.Parameter(torch.zeros(K, L))

    def forward(self, encoder: nn.Module) -> Distribution:
        """Return the mixture."""
        parts = Independent(Normal(self.loc, self.log_scale.exp()), 1)
        return MixtureSameFamily(Categorical(logits=self.logits), parts)


class TorchMixtureWithoutIndependent(TorchMixture):
    """`MixtureSameFamily` over normals, K in the last place: a mixture in each dimension."""

    def forward(self, encoder: nn.Module) -> Distribution:
        """Return the mixtures."""
        parts = Normal(self.loc.T, self.log_scale.T.exp())
        return MixtureSameFamily(Categorical(logits=self.logits.expand(L, K)), parts)


class TorchMixtureInsideIndependent(TorchMixtureWithoutIndependent):
    """The same, made a distribution over vectors afterwards."""

    def forward(self, encoder: nn.Module) -> Distribution:
        """Return the product of the mixtures."""
        return Independent(super().forward(encoder), 1)


def mixture_reference(prior: TorchMixture, encoder: nn.Module, z: list[float]) -> float:
    """Return the log-density of the mixture over whole vectors."""
    with torch.no_grad():
        p = TorchMixture.forward(prior, encoder)
        return float(p.log_prob(torch.tensor(z, dtype=torch.float64)))


def zuko_mixture() -> nn.Module:
    """Return `zuko.mixtures.GMM` with diagonal covariances, called without a context."""
    from zuko.mixtures import GMM

    class Adapter(nn.Module):
        def __init__(self) -> None:
            super().__init__()
            self.mixture = GMM(L, components=K, covariance_type="diagonal")

        def forward(self, encoder: nn.Module) -> Distribution:
            return self.mixture()

    return Adapter()


def pythae_vamp() -> nn.Module:
    """Return `pythae.models.VAMP` and its sampler, with a decoder that returns z itself.

    The adapter adds the constant (2 pi)^(-L/2), which cancels in pythae's own objective, and lets
    the plain tensor `idle_input` follow the dtype, without which nothing else could be examined.
    """
    from pythae.models import VAMP, VAMPConfig
    from pythae.models.base.base_utils import ModelOutput
    from pythae.models.nn import BaseDecoder
    from pythae.samplers import VAMPSampler

    class ReturnsLatents(BaseDecoder):
        def forward(self, z: Tensor) -> ModelOutput:
            return ModelOutput(reconstruction=z)

    class Adapter(nn.Module):
        def __init__(self) -> None:
            super().__init__()
            config = VAMPConfig(input_dim=(D,), latent_dim=L, number_components=K)
            self.model = VAMP(config, decoder=ReturnsLatents())
            with torch.no_grad():
                self.model.pseudo_inputs[0].weight.uniform_(0, 1)
                self.model.encoder.embedding.weight.mul_(20)
                self.model.encoder.log_var.weight.mul_(10)

        def forward(self, encoder: nn.Module) -> Distribution:
            model = self.model
            model.idle_input = model.idle_input.to(model.pseudo_inputs[0].weight)

            def log_prob(z: Tensor) -> Tensor:
                return model._log_p_z(z) - 0.5 * L * torch.log(torch.tensor(2 * torch.pi))

            return Adapted(log_prob, lambda n: VAMPSampler(model).sample(num_samples=n))

    return Adapter()


def scvi_vamp() -> nn.Module:
    """Return `scvi.module.base.VampPrior` with scvi's `Encoder` and one batch covariate."""
    from scvi.module.base import VampPrior
    from scvi.nn import Encoder

    class Inference:  # an object, so that a deep copy of the prior calls the copied encoder
        def __init__(self, encoder: nn.Module) -> None:
            self.encoder = encoder

        def __call__(self, x: Tensor, batch_index: Tensor, **_: Any) -> dict[str, Distribution]:
            return {"qz": self.encoder(x, batch_index)[0]}

    class Adapter(nn.Module):
        def __init__(self) -> None:
            super().__init__()
            encoder = Encoder(D, L, n_cat_list=[3], n_hidden=16, return_dist=True)
            with torch.no_grad():
                encoder.mean_encoder.weight.mul_(4)

            pseudo_inputs = {
                "x": 5 * torch.rand(K, D),
                "batch_index": torch.arange(K).unsqueeze(-1) % 3,
                "cat_covs": None,
                "cont_covs": None,
            }
            self.prior = VampPrior(K, [3], Inference(encoder), encoder, pseudo_inputs)
            with torch.no_grad():
                self.prior.w.normal_()

        def forward(self, encoder: nn.Module) -> Distribution:
            return self.prior.get_prior()

    return Adapter()


def sysvi_vamp() -> nn.Module:
    """Return SysVI's `VampPrior` with SysVI's encoder and one batch covariate.

    Its density is summed over dimensions as its `kl` does. It has no sampler; the adapter draws a
    component by `w`, then from the posterior that the encoder returns for that pseudo-input.
    """
    from scvi.external.sysvi._base_components import EncoderDecoder
    from scvi.external.sysvi._priors import VampPrior

    class Adapter(nn.Module):
        def __init__(self) -> None:
            super().__init__()
            encoder = EncoderDecoder(
                D, L, [3], 0, n_hidden=16, n_layers=1, var_mode="sample_feature"
            )
            with torch.no_grad():
                encoder.mean_encoder.weight.mul_(4)
            index = torch.arange(K).unsqueeze(-1) % 3
            self.prior = VampPrior(K, encoder, 2 * torch.randn(K, D), [3], index, [])
            with torch.no_grad():
                self.prior.w.normal_()

        def forward(self, encoder: nn.Module) -> Distribution:
            def draw(n: int) -> Tensor:
                loc, scale = self.prior.get_params()
                k = torch.multinomial(self.prior.w.flatten().softmax(0), n, replacement=True)
                return torch.normal(loc[k], scale[k])

            return Adapted(lambda z: self.prior.log_prob(z).sum(-1), draw)

    return Adapter()


@dataclass(frozen=True)
class Row:
    """A prior of another library, and the lines of it that explain what the kit says."""

    name: str
    make: Callable[[], nn.Module]
    package: str
    reference: Callable[..., float] | None = None
    jitter: float = 0.4
    lines: tuple[tuple[str, str], ...] = ()


ROWS = [
    Row("MixtureSameFamily over Independent", TorchMixture, "torch", mixture_reference),
    Row("MixtureSameFamily without Independent", TorchMixtureWithoutIndependent, "torch"),
    Row("Independent over MixtureSameFamily", TorchMixtureInsideIndependent, "torch"),
    Row(
        "the same, against the mixture over vectors",
        TorchMixtureInsideIndependent,
        "torch",
        mixture_reference,
    ),
    Row("zuko.mixtures.GMM, diagonal", zuko_mixture, "zuko"),
    Row(
        "pythae VAMP and VAMPSampler",
        pythae_vamp,
        "pythae",
        lines=(
            ("pythae.models.vamp.vamp_model", "nn.Hardtanh(0.0, 1.0)"),
            ("pythae.models.vamp.vamp_model", "self.idle_input = torch.eye("),
            ("pythae.samplers.vamp_sampler.vamp_sampler", "[\n                :batch_size"),
            ("pythae.samplers.vamp_sampler.vamp_sampler", "torch.tanh(encoder_output.log_cov"),
        ),
    ),
    Row(
        "scvi.module.base.VampPrior",
        scvi_vamp,
        "scvi-tools",
        jitter=0.0,  # its category weights go to torch.multinomial as they are
        lines=(
            ("scvi.module.base._priors", "torch.multinomial(cat, num_samples=1)"),
            ("scvi.module.base._priors", "self.pseudoinputs_["),
        ),
    ),
    Row(
        "scvi.external.sysvi VampPrior",
        sysvi_vamp,
        "scvi-tools",
        jitter=0.0,
        lines=(
            ("scvi.external.sysvi._priors", "torch.multinomial(cat, num_samples=1)"),
            ("scvi.external.sysvi._priors", 'return z["q_dist"].loc, z["q_dist"].scale'),
            ("scvi.external.sysvi._priors", "Normal(m_p, v_p.sqrt())"),
            ("scvi.external.sysvi._priors", "torch.logsumexp(log_prob, dim=0"),
        ),
    ),
]


def main() -> None:
    """Run every row whose package is installed, and write what the kit says."""
    torch.set_num_threads(1)
    warnings.simplefilter("ignore")
    answers = []
    for row in ROWS:
        try:
            version = importlib.metadata.version(row.package)
            row.make()
        except (ImportError, importlib.metadata.PackageNotFoundError) as error:
            print(f"{row.name}: not examined, {error}")
            answers.append({"prior": row.name, "package": row.package, "not_examined": str(error)})
            continue
        report = check_prior(
            row.make, None, row.reference, jitter=row.jitter, skip={"compile", "export"}
        )
        print(f"\n=== {row.name} ({row.package} {version})\n{report}", flush=True)
        answers.append(
            {
                "prior": row.name,
                "package": f"{row.package} {version}",
                "passed": report.passed,
                "results": [asdict(r) for r in report.results if r.verdict in SAID],
                "lines": [_line(module, text) for module, text in row.lines],
            }
        )
    RESULTS.mkdir(exist_ok=True)
    (RESULTS / "outside_world.json").write_text(json.dumps(answers, indent=1) + "\n")
    put_table("testing.md", "outside world", _table(answers))


SAID = ("failed", "inconclusive")


def _table(answers: list[dict[str, Any]]) -> list[str]:
    rows = [
        "| prior | package | verdict | failed or inconclusive | lines |",
        "|---|---|---|---|---|",
    ]
    for a in answers:
        if "not_examined" in a:
            rows.append(f"| {a['prior']} | {a['package']} | not examined | {a['not_examined']} | |")
            continue
        said = ", ".join(
            r["check"] + ("" if r["verdict"] == "failed" else " (inconclusive)")
            for r in a["results"]
        )
        verdict = "passed" if a["passed"] else "not passed"
        lines = ", ".join(f"`{line}`" for line in a["lines"])
        rows.append(f"| {a['prior']} | {a['package']} | {verdict} | {said or '-'} | {lines} |")
    return rows


def _line(module: str, text: str) -> str:
    """Return where a text stands in the source of a module, as `package/file.py:line`."""
    imported = importlib.import_module(module)
    before, present, _ = inspect.getsource(imported).partition(text)
    line = before.count("\n") + 1
    return f"{module.replace('.', '/')}.py:{line if present else 'not found'}"


if __name__ == "__main__":
    main()
