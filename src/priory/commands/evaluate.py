"""`priory evaluate`: all that can be asked of a trained model."""

import json
import math
from dataclasses import fields, is_dataclass
from pathlib import Path
from typing import Any

from rich import box
from rich.console import Console
from rich.table import Table
from torch import Tensor

from priory.commands.run_data import give_data, open_parts
from priory.evaluation import NLL, Measures, measure
from priory.files import write_whole
from priory.saving import load


def evaluate(
    run: str,
    data: str | None = None,
    labels: str | None = None,
    data_options: dict[str, Any] | None = None,
    importance_samples: int = 5000,
    max_components: int | None = None,
    max_training: int = 20_000,
    seed: int = 0,
    out: str | None = None,
) -> None:
    """Ask a trained model all questions that have a number for an answer.

    Args:
        run: The directory of a run, or of a model within it.
        data: Held-out data, in the format of those trained on; by default the run's own test data.
        labels: A file of their labels.
        data_options: Further options of the kind of data.
        importance_samples: The importance samples per datum for the NLL.
        max_components: The most components of a mixture to take for the NLL of a datum, the best;
            fewer than all can only raise it. Of use with an exemplar prior of many data.
        max_training: The most training data to take.
        seed: The seed of the noise.
        out: The file to write, by default `measures.json` in the run, which is replaced.

    """
    if out is not None and Path(out).exists():
        raise FileExistsError(f"expected a file that does not exist yet, got {out}; name another.")
    target = Path(run) / "measures.json" if out is None else Path(out)
    if not target.parent.is_dir():
        raise FileNotFoundError(f"expected a directory at {target.parent}, found none; make it.")
    model, part, training = open_parts(run, data, labels, data_options)
    vae = load(model)
    if training is not None:
        give_data(vae, training.tensor())
    found = measure(
        vae,
        part.tensor(),
        None if training is None else training.tensor(),
        context=vae.context_of(part.labels),
        training_context=None if training is None else vae.context_of(training.labels),
        num_samples=importance_samples,
        max_components=max_components,
        max_training=max_training,
        seed=seed,
    )
    write_whole(target, (json.dumps(_plain(found), indent=2) + "\n").encode())
    console = Console(highlight=False, soft_wrap=True)
    console.print(_table(found))
    for sentence in _warnings(found):
        console.print(sentence)
    console.print(f"All numbers are in {target}.")


def _plain(value: Any) -> Any:
    """Return what JSON can hold; numbers that are not finite become null."""
    if isinstance(value, NLL):
        return _likelihood(value)
    if is_dataclass(value):
        return {field.name: _plain(getattr(value, field.name)) for field in fields(value)}
    if isinstance(value, Tensor):
        return _plain(value.tolist())
    if isinstance(value, list | tuple):
        return [_plain(item) for item in value]
    if isinstance(value, float) and not math.isfinite(value):
        return None
    return value


def _likelihood(nll: NLL) -> dict[str, Any]:
    """Return the numbers of an NLL without those of each datum, which `priory score` writes."""
    sizes = nll.effective_sample_size.double()
    k = nll.pareto_k
    return {
        "mean": nll.mean,
        "standard_error": _plain(nll.standard_error),
        "num_samples": nll.num_samples,
        "effective_sample_size": {"median": float(sizes.median()), "least": float(sizes.min())},
        "pareto_k": None
        if k is None
        else {"num_data": len(k), "median": _plain(float(k.median())), "heavy": nll.heavy_share},
        "curve": [{"num_samples": s, "nll": value} for s, value in nll.curve],
        "still_to_fall": _plain(nll.still_to_fall),
        "trustworthy": nll.trustworthy,
        "warnings": list(nll.warnings),
    }


def _warnings(found: Measures) -> list[str]:
    sentences = list(found.nll.warnings)
    if found.surgery is not None and found.surgery.at_the_ceiling:
        sentences.append(
            f"The mutual information is within 0.1 nats of log N = {found.surgery.ceiling:.2f}, "
            "which it cannot exceed: it may be anything above, and the marginal KL says little."
        )
    return sentences


def _table(found: Measures) -> Table:
    table = Table(
        title=f"{found.num_data} held-out data, nats per datum",
        box=box.SIMPLE_HEAD,
        pad_edge=False,
    )
    table.add_column("")
    table.add_column("found", justify="right")
    table.add_column("to read it by", overflow="fold")
    for row in _rows(found):
        table.add_row(*row)
    return table


def _rows(found: Measures) -> list[tuple[str, str, str]]:
    nll = found.nll
    sizes = nll.effective_sample_size
    rows = [
        (
            "NLL given the label" if found.given_labels else "NLL",
            f"{nll.mean:.2f} ± {nll.standard_error:.2f}",
            f"{nll.num_samples} importance samples, of an effective size of {sizes.median():.0f} "
            f"(median) and {sizes.min():.1f} (least)",
        )
    ]
    if found.surgery is not None:
        s, over = found.surgery, "training" if found.num_training else "held-out"
        rows += [
            ("ELBO", str(s.elbo), f"of {s.num_data} {over} data, and its terms"),
            ("  reconstruction", str(s.reconstruction), ""),
            ("  less mutual information", str(s.mutual_information), f"at most {s.ceiling:.3f}"),
            ("  less marginal KL", str(s.marginal_kl), "what a better prior could gain"),
        ]
    if found.latent_use is not None:
        use = found.latent_use
        rows += [("active units", str(use.active_units), f"of {len(use.variance_of_mean)}")]
    if found.components_in_use is not None:
        dead = "" if found.dead_components is None else f"{len(found.dead_components)} are dead"
        rows += [("components in use", f"{found.components_in_use:.1f}", dead)]
    if found.holes is not None:
        h = found.holes
        rows += [
            (name, f"{share:.1%} ± {error:.1%}", "1 % is perfect")
            for name, share, error in (
                ("prior in holes of q(z)", h.prior_in_holes, h.prior_in_holes_standard_error),
                ("q(z) outside the prior", h.posterior_outside, h.posterior_outside_standard_error),
            )
        ]
    if found.classifier is not None:
        c = found.classifier
        rows += [("told from q(z)", f"{c.accuracy:.1%}", f"50 % is perfect; p = {c.p_value:.3g}")]
    if found.discrepancy is not None:
        d = found.discrepancy
        rows += [("MMD² to q(z)", f"{d.squared:.4f}", f"0 is perfect; p = {d.p_value:.3g}")]
    if found.samples is not None:
        q = found.samples
        rows += [
            ("precision, recall", f"{q.precision:.2f}, {q.recall:.2f}", "raw values"),
            (
                "density, coverage",
                f"{q.density:.2f}, {q.coverage:.2f}",
                f"1 and {q.coverage_if_equal:.2f} if samples were data",
            ),
        ]
    if found.memorisation is not None:
        m = found.memorisation
        rows += [("copying", f"z = {m.z_score:.1f}", "far below 0 copies, far above 0 underfits")]
    return rows
