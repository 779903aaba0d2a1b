"""All that was found of a trained model."""

from dataclasses import dataclass

from jaxtyping import Int
from torch import Tensor

from priory.evaluation.holes import Holes
from priory.evaluation.latent_use import LatentUse
from priory.evaluation.memorisation import Memorisation
from priory.evaluation.nearest import Nearest
from priory.evaluation.nll import NLL
from priory.evaluation.samples import SampleQuality
from priory.evaluation.surgery import Surgery
from priory.evaluation.two_sample import (
    MMD,
    ClassifierTest,
)
from priory.notebook import html_table

FEWEST = 10


@dataclass(frozen=True)
class Measures:
    """What was found of a model; what cannot be asked of it is None.

    Attributes:
        num_data: The number of held-out data.
        num_training: The number of training data taken; None without any.
        given_labels: Whether the NLL is that of data given their labels.
        nll: How probable held-out data are.
        surgery: The ELBO of the training data taken apart, or of the held-out without any; None
            where posteriors are no diagonal Gaussians, as are the next and the holes.
        latent_use: Which latent dimensions those data use.
        components_in_use: How many components held-out data use; None for a prior without any.
        dead_components: Those that training data do not use, `(D,)`, or held-out without any.
        nearest_to_pseudo_inputs: The training datum nearest to each pseudo-input, by its position
            among those given, or the held-out one without any; None for a prior without any.
        holes: The mass of the prior where q(z) has none, and the reverse.
        classifier: Whether a classifier can tell the prior from q(z) of held-out data.
        discrepancy: Whether the maximum mean discrepancy can.
        samples: Whether samples are like held-out data, and these like samples.
        memorisation: Whether samples are copies of training data; None without any.
        prior_standard_error: What an estimated density of the prior leaves in the NLL as an error
            in nats, whatever the number of data; None for one that is exact.

    """

    num_data: int
    num_training: int | None
    given_labels: bool
    nll: NLL
    surgery: Surgery | None
    latent_use: LatentUse | None
    components_in_use: float | None
    dead_components: Int[Tensor, " D"] | None
    nearest_to_pseudo_inputs: Nearest | None
    holes: Holes | None
    classifier: ClassifierTest | None
    discrepancy: MMD | None
    samples: SampleQuality | None
    memorisation: Memorisation | None
    prior_standard_error: float | None

    @property
    def warnings(self) -> tuple[str, ...]:
        """Why a number cannot be trusted, in a sentence each; empty if nothing speaks for it."""
        sentences = list(self.nll.warnings)
        if self.surgery is not None and self.surgery.at_the_ceiling:
            sentences.append(
                "The mutual information is within 0.1 nats of log N = "
                f"{self.surgery.ceiling:.2f}, which it cannot exceed: it may be anything above, "
                "and the marginal KL says little."
            )
        return tuple(sentences)

    @property
    def readings(self) -> list[tuple[str, str, str]]:
        """A row for each measure: its name, what was found, and what to read it by."""
        nll = self.nll
        sizes = nll.effective_sample_size
        rows = [
            (
                "NLL given the label" if self.given_labels else "NLL",
                f"{nll.mean:.2f} ± {nll.standard_error:.2f}",
                f"{nll.num_samples} importance samples, of an effective size of "
                f"{sizes.median():.0f} (median) and {sizes.min():.1f} (least)",
            )
        ]
        if self.surgery is not None:
            s, over = self.surgery, "training" if self.num_training else "held-out"
            rows += [
                ("ELBO", str(s.elbo), f"of {s.num_data} {over} data, and its terms"),
                ("  reconstruction", str(s.reconstruction), ""),
                (
                    "  less mutual information",
                    str(s.mutual_information),
                    f"at most {s.ceiling:.3f}",
                ),
                ("  less marginal KL", str(s.marginal_kl), "what a better prior could gain"),
            ]
        if self.latent_use is not None:
            use = self.latent_use
            rows += [("active units", str(use.active_units), f"of {len(use.variance_of_mean)}")]
        if self.components_in_use is not None:
            dead = "" if self.dead_components is None else f"{len(self.dead_components)} are dead"
            rows += [("components in use", f"{self.components_in_use:.1f}", dead)]
        if self.holes is not None:
            h = self.holes
            rows += [
                (name, f"{share:.1%} ± {error:.1%}", "1 % is perfect")
                for name, share, error in (
                    ("prior in holes of q(z)", h.prior_in_holes, h.prior_in_holes_standard_error),
                    (
                        "q(z) outside the prior",
                        h.posterior_outside,
                        h.posterior_outside_standard_error,
                    ),
                )
            ]
        if self.classifier is not None:
            c = self.classifier
            rows += [
                ("told from q(z)", f"{c.accuracy:.1%}", f"50 % is perfect; p = {c.p_value:.3g}")
            ]
        if self.discrepancy is not None:
            d = self.discrepancy
            rows += [("MMD² to q(z)", f"{d.squared:.4f}", f"0 is perfect; p = {d.p_value:.3g}")]
        if self.samples is not None:
            q = self.samples
            rows += [
                ("precision, recall", f"{q.precision:.2f}, {q.recall:.2f}", "raw values"),
                (
                    "density, coverage",
                    f"{q.density:.2f}, {q.coverage:.2f}",
                    f"1 and {q.coverage_if_equal:.2f} if samples were data",
                ),
            ]
        if self.memorisation is not None:
            m = self.memorisation
            rows += [
                ("copying", f"z = {m.z_score:.1f}", "far below 0 copies, far above 0 underfits")
            ]
        return rows

    def _repr_html_(self) -> str:
        rows = {name.strip(): f"{value} ({how})" for name, value, how in self.readings}
        return html_table(f"{self.num_data} held-out data, nats per datum", rows)
