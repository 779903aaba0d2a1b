"""The numbers of a model, for JSON and for the shell."""

import math
from dataclasses import fields, is_dataclass
from typing import Any

from rich import box
from rich.table import Table
from torch import Tensor

from priory.evaluation import NLL, Measures


def plain(value: Any) -> Any:
    """Return what JSON can hold; numbers that are not finite become null."""
    if isinstance(value, NLL):
        return _likelihood(value)
    if is_dataclass(value):
        return {field.name: plain(getattr(value, field.name)) for field in fields(value)}
    if isinstance(value, Tensor):
        return plain(value.tolist())
    if isinstance(value, list | tuple):
        return [plain(item) for item in value]
    if isinstance(value, float) and not math.isfinite(value):
        return None
    return value


def _likelihood(nll: NLL) -> dict[str, Any]:
    """Return the numbers of an NLL without those of each datum, which `priory score` writes."""
    sizes = nll.effective_sample_size.double()
    k = nll.pareto_k
    return {
        "mean": nll.mean,
        "standard_error": plain(nll.standard_error),
        "num_samples": nll.num_samples,
        "effective_sample_size": {"median": float(sizes.median()), "least": float(sizes.min())},
        "pareto_k": None
        if k is None
        else {"num_data": len(k), "median": plain(float(k.median())), "heavy": nll.heavy_share},
        "curve": [{"num_samples": s, "nll": value} for s, value in nll.curve],
        "still_to_fall": plain(nll.still_to_fall),
        "trustworthy": nll.trustworthy,
        "warnings": list(nll.warnings),
    }


def measures_table(found: Measures) -> Table:
    table = Table(
        title=f"{found.num_data} held-out data, nats per datum",
        box=box.SIMPLE_HEAD,
        pad_edge=False,
    )
    table.add_column("")
    table.add_column("found", justify="right")
    table.add_column("to read it by", overflow="fold")
    for row in found.readings:
        table.add_row(*row)
    return table
