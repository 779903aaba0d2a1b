"""What the page holds for its script: numbers and pictures, from tensors."""

import warnings
from collections.abc import Sequence
from importlib.util import find_spec
from typing import Any

import torch
from torch import Tensor

from priory.arrays import as_tensor, to_numpy
from priory.evaluation import ComponentView, DecodedPlane, Exploration
from priory.evaluation.holes import SHARE_IN_HOLES
from priory.report.entries import NUM_SAMPLES, Entry
from priory.report.latent_map import LatentMap, common_limits, latent_map
from priory.report.pictures import Pictures

MOST_POINTS = 10_000
MOST_BESIDE = 1000
MOST_CROSSES = 300
"""Samples of a prior of which those in holes are marked in its figure."""
WIDER = 2.0
"""How many times as wide as its own axes the shared ones may be before a map has both."""
FEWEST_FOR_UMAP = 15
DEPTH = 60
"""Nats below the highest density that are still told apart."""


def page_data(entries: Sequence[Entry], pictures: Pictures) -> dict[str, Any]:
    """Return what the script draws and what the pointer finds.

    Args:
        entries: The priors, each with an exploration.
        pictures: How data are drawn.
    """
    return {
        "bars": None if pictures.bars is None else pictures.bars.description,
        "models": [_model(entry, pictures, MOST_POINTS // len(entries)) for entry in entries],
        "beside": [] if len(entries) == 1 else [_beside(m) for m in side_by_side(entries)],
        "apart": [_beside(m) for m in apart(entries)] if spreads_differ(entries) else [],
    }


def side_by_side(entries: Sequence[Entry]) -> list[LatentMap]:
    """Return the maps of all priors on the same axes."""
    maps = apart(entries)
    if len(maps) == 1:
        return maps
    limits = common_limits(maps)
    return [map_of(entry, limits) for entry in entries]


def apart(entries: Sequence[Entry]) -> list[LatentMap]:
    """Return the maps of all priors, each on axes of its own."""
    return [map_of(entry) for entry in entries]


def spreads_differ(entries: Sequence[Entry]) -> bool:
    """Whether axes that hold all priors would shrink one of them."""
    if len(entries) < 2:
        return False
    low, high = common_limits(maps := apart(entries))
    return any(high - low > WIDER * float(one.x[-1] - one.x[0]) for one in maps)


def map_of(entry: Entry, limits: tuple[float, float] | None = None) -> LatentMap:
    """Return the map of a prior, with the labels of the data and its samples in holes."""
    shown, explored = entry.exhibit, entry.exploration
    holes = None
    if explored is not None and explored.in_hole is not None:
        few = slice(MOST_CROSSES)
        holes = explored.prior_samples[few][explored.in_hole[few]]
    share = entry.value(SHARE_IN_HOLES)
    note = "" if share is None else f"{SHARE_IN_HOLES.text(share)[0]} of samples in holes"
    return latent_map(
        entry.name,
        shown.prior,
        shown.z,
        limits,
        labels=entry.labels,
        in_holes=holes,
        note=note,
    )


def _model(entry: Entry, pictures: Pictures, most: int) -> dict[str, Any]:
    exploration, shown = explored(entry), entry.exhibit
    chosen = _some(len(shown.z), most)
    return {
        "name": entry.name,
        "numData": len(shown.z),
        "labels": None if entry.labels is None else entry.labels[chosen].tolist(),
        "batches": None if entry.batches is None else entry.batches[chosen].tolist(),
        "umap": None if (flat := umap_of(shown.z[chosen])) is None else _columns(flat),
        "planes": [_plane(entry, plane, pictures, chosen) for plane in exploration.planes],
        "hole": None if exploration.in_hole is None else exploration.in_hole.int().tolist(),
        "components": None
        if exploration.components is None
        else _components(exploration.components, exploration, pictures),
        "samples": pictures.encode(exploration.decoded_samples),
        "draws": pictures.encode(shown.samples[:NUM_SAMPLES]),
        "data": pictures.encode(shown.data),
        "reconstructions": pictures.encode(shown.reconstructions),
        "fixedTop": None
        if exploration.fixed_top is None
        else pictures.encode(exploration.fixed_top.flatten(0, 1)),
        "paths": _paths(exploration, pictures),
        "curves": dict(entry.curves),
    }


def explored(entry: Entry) -> Exploration:
    """Return what there is to walk through.

    Raises:
        ValueError: If there is nothing.
    """
    if entry.exploration is None:
        raise ValueError(f"expected an exploration of {entry.name} for its page, got None.")
    return entry.exploration


def _plane(entry: Entry, shown: DecodedPlane, pictures: Pictures, chosen: Tensor) -> dict[str, Any]:
    plane, exploration = shown.plane, explored(entry)
    contours = latent_map(entry.name, entry.exhibit.prior, entry.exhibit.z, plane=plane)
    line = len(contours.y) == 1
    decoded = shown.decoded.flatten(0, 0 if line else 1)
    return {
        "axes": list(contours.axes),
        "low": plane.low,
        "high": plane.high,
        "exact": plane.is_whole,
        "density": _density(contours, 2),
        "points": _columns(contours.points[chosen]),
        "samples": _columns(plane.project(exploration.prior_samples)),
        "components": None
        if exploration.components is None
        else _columns(plane.project(exploration.components.loc)),
        "side": len(shown.decoded),
        "grid": pictures.encode(decoded),
    }


def _beside(shown: LatentMap) -> dict[str, Any]:
    chosen = _some(len(shown.points), MOST_BESIDE)
    return {
        "name": shown.title,
        "note": shown.note,
        "axes": list(shown.axes),
        "low": round(float(shown.x[0]), 3),
        "high": round(float(shown.x[-1]), 3),
        "density": _density(shown, 3),
        "points": _columns(shown.points[chosen]),
        "labels": None if shown.labels is None else shown.labels[chosen].tolist(),
        "holes": None if shown.in_holes is None else _columns(shown.in_holes),
    }


def _components(
    view: ComponentView, exploration: Exploration, pictures: Pictures
) -> dict[str, Any]:
    near, positions = view.near.flatten().unique(return_inverse=True)
    return {
        "total": view.total,
        "pseudo": view.has_pseudo_inputs,
        "weight": _rounded(view.weight),
        "share": _rounded(view.share),
        "pictures": pictures.encode(view.picture),
        "near": positions.reshape(view.near.shape).tolist(),
        "nearData": pictures.encode(exploration.data[near]),
        "perComponent": view.samples.shape[1],
        "samples": pictures.encode(view.samples.flatten(0, 1)),
    }


def _paths(exploration: Exploration, pictures: Pictures) -> dict[str, Any] | None:
    if exploration.paths is None or exploration.along is None or exploration.along_straight is None:
        return None
    return {
        "stops": exploration.along.shape[1],
        "least": _rounded(exploration.paths.log_prob.amin(1)),
        "straightLeast": _rounded(exploration.paths.straight_log_prob.amin(1)),
        "along": pictures.encode(exploration.along.flatten(0, 1)),
        "straight": pictures.encode(exploration.along_straight.flatten(0, 1)),
        "ends": pictures.encode(exploration.data[exploration.pairs.flatten()]),
    }


def _density(contours: LatentMap, step: int) -> dict[str, Any]:
    x, whole = contours.x, contours.log_density
    kept = torch.linspace(0, len(x) - 1, len(x) // step).round().long()  # with the ends
    density = whole[kept][:, kept] if len(contours.y) > 1 else whole[:, kept]
    top = float(whole.max())
    clamped = density.nan_to_num(nan=top - DEPTH, neginf=top - DEPTH).clamp(min=top - DEPTH)
    return {
        "top": round(top, 3),
        "x": _rounded(x[kept]),
        "z": [[round(v, 2) for v in row] for row in clamped.tolist()],
    }


def _columns(points: Tensor) -> list[list[float]]:
    return [_rounded(column) for column in points.mT]


def _rounded(values: Tensor) -> list[float]:
    return [float(f"{v:.4g}") for v in values.cpu().double().nan_to_num(0, 999, -999).tolist()]


def umap_of(z: Tensor, seed: int = 0) -> Tensor | None:
    """Return a UMAP of latents, `(N, 2)`; None without umap-learn, or where it shows nothing more.

    Args:
        z: Latents, `(N, L)`.
        seed: Its seed.
    """
    if find_spec("umap") is None or z.shape[1] < 3 or len(z) <= FEWEST_FOR_UMAP:
        return None
    from umap import UMAP

    with warnings.catch_warnings():
        warnings.simplefilter("ignore")  # that a seed takes one thread
        flat = UMAP(random_state=seed).fit_transform(to_numpy(z))
    return as_tensor(flat)


def _some(count: int, most: int) -> Tensor:
    """Return all positions, or as many as may be shown, at random and always the same."""
    if count <= most:
        return torch.arange(count)
    generator = torch.Generator().manual_seed(0)
    return torch.randperm(count, generator=generator)[:most].sort().values
