"""Which prior to choose, and why: sentences from the numbers alone."""

import math
from collections.abc import Iterable, Sequence
from dataclasses import dataclass

from priory.evaluation import Measure
from priory.evaluation.components import COMPONENTS_IN_USE
from priory.evaluation.evidence import NLL, RATE
from priory.evaluation.holes import SHARE_IN_HOLES
from priory.evaluation.levels import DEAD_RATE, dead_levels
from priory.evaluation.measure import MINUS
from priory.evaluation.surgery import MARGINAL_KL, MUTUAL_INFORMATION
from priory.report.differences import (
    Difference,
    comparable,
    holes_difference,
    nll_difference,
    same_data,
)
from priory.report.entries import Entry

PERFECT = 0.01


@dataclass(frozen=True)
class Verdict:
    """What the numbers say.

    Attributes:
        answer: The answer in a sentence.
        reasons: Why, in a sentence each.
        caution: What the numbers do not say.
        chosen: The position of the prior to choose, or of the first where none is.

    Commands stand between backticks.
    """

    answer: str
    reasons: tuple[str, ...]
    caution: str
    chosen: int = 0


def verdict(entries: Sequence[Entry]) -> Verdict:
    """Say which prior to choose, or, of a single one, what its numbers mean.

    Args:
        entries: The priors.
    """
    return of_one(entries[0]) if len(entries) == 1 else of_many(entries)


def of_many(entries: Sequence[Entry]) -> Verdict:
    """Say which of several priors to choose."""
    if not comparable(entries):
        return Verdict(
            "No choice follows from the NLL: some of these priors are given the label of an "
            "example and others are not.",
            _holes_reasons(entries, entries),
            "Compare those marked “| y” only with one another: a label is worth up to the log of "
            "the number of labels, in nats.",
        )
    first = min(entries, key=_nll)
    gaps = {entry.name: nll_difference(entry, first) for entry in entries if entry is not first}
    tied = [first, *(e for e in entries if e is not first and not gaps[e.name].is_clear)]
    behind = [e for e in entries if e is not first and gaps[e.name].is_clear]
    reasons = [_nll_reason(first, tied, behind, gaps), *_holes_reasons(entries, tied)]
    chosen, why = _chosen(tied, behind, gaps)
    better = _fewer_holes(entries, chosen[0])
    if better is not None and better not in chosen:
        reasons.append(
            f"If samples matter more than densities, consider {better.name}: reliably fewer of its "
            "samples fall into holes."
        )
    if len(chosen) == len(entries):
        answer = f"No reliable difference between {_names(chosen)}: {why}."
    else:
        over = f" over {_names(behind)}" if len(chosen) > 1 else ""
        answer = f"{_choose(entries)} {_names(chosen, 'or')}{over}: {why}."
    place = next(n for n, entry in enumerate(entries) if entry is chosen[0])
    paired = all(gap.paired for gap in gaps.values())
    caution = _caution(len(first.evaluations), paired)
    if not all(same_data(first, entry) for entry in entries):
        caution = "These runs were measured on different test data. " + caution
    return Verdict(answer, tuple(reasons), caution, place)


def _choose(entries: Sequence[Entry]) -> str:
    """Return how to begin the answer: a single run says who was ahead, not what to choose."""
    return "Choose" if all(entry.repeats for entry in entries) else "Ahead in this run:"


def _caution(seeds: int, paired: bool) -> str:
    """Explain when a difference counts."""
    if seeds > 1:
        return (
            f"Each prior was trained with {seeds} seeds, and numbers are means over them. A "
            "difference counts if it has the same sign for every seed, is more than twice their "
            "spread, and is more than two standard errors over the test examples; anything less "
            "is “no reliable difference”."
        )
    same = ", that of a difference over the same examples" if paired else ""
    return (
        f"± is one standard error over the test examples{same}; a difference counts if it is "
        "more than two of them. This does not cover training: these are single runs, and another "
        "seed changes the numbers too. Repeat them with `priory compare --seeds 3` before you "
        "choose."
    )


def of_one(entry: Entry) -> Verdict:
    """Say what the numbers of a single prior mean, and what to try."""
    e, reasons = entry.evaluation, []
    said = "given its label " if e.given_labels else ""
    answer = (
        f"Under {entry.name}, a test example {said}costs {_shown(entry, NLL)} nats: at most "
        f"{-e.elbo:.2f} by the ELBO, of which the rate is {e.rate:.2f}."
    )
    if e.share_in_holes is not None:
        share = _shown(entry, SHARE_IN_HOLES)
        where = f"{share} of its samples fall into holes of q(z){_of_top(entry)}"
        if e.share_in_holes < 2 * PERFECT:
            reasons.append(f"{where}, near the perfect 1%.")
        else:
            reasons.append(
                f"{where}, where 1% is perfect: about one in {1 / e.share_in_holes:.0f} is decoded "
                "from a place where there are no data. A prior fitted after training may fill "
                "them: `priory refit RUN --prior mog`."
            )
    reasons += _levels_reasons(entry) + _components_reasons(entry) + _marginal_reasons(entry)
    return Verdict(
        answer,
        tuple(reasons),
        "± is one standard error over the test examples. A single number is neither good nor bad: "
        "train another prior on the same data, and pass both runs to `priory report`.",
    )


def _nll(entry: Entry) -> float:
    return entry.number(NLL) or 0.0


def _share(entry: Entry) -> float | None:
    return entry.number(SHARE_IN_HOLES)


def _nll_reason(
    first: Entry, tied: list[Entry], behind: list[Entry], gaps: dict[str, Difference]
) -> str:
    order = (first, *tied[1:], *behind)
    measured = ", ".join(f"{_nll(e):.2f} ({e.name})".replace("-", MINUS, 1) for e in order)
    said = f"NLL in nats, lower is better: {measured}."
    if len(tied) > 1:
        close = ", ".join(f"{gaps[e.name]} to {e.name}" for e in tied[1:])
        said += f" No reliable difference from {first.name}: {close}."
    if behind:
        beyond = ", ".join(f"{e.name} by {gaps[e.name]}" for e in behind)
        said += f" It is reliably below {beyond}."
    return said


def _chosen(
    tied: list[Entry], behind: list[Entry], gaps: dict[str, Difference]
) -> tuple[list[Entry], str]:
    """Choose by the NLL, or else by holes; if neither decides, return all the tied priors."""
    if len(tied) == 1:
        nearest = min(behind, key=lambda e: gaps[e.name].value)
        return tied, f"its NLL is the lowest, by {gaps[nearest.name]} nats per example"
    measured = [entry for entry in tied if _share(entry) is not None]
    fewest = min(measured, key=lambda e: _share(e) or 0.0, default=None)
    if fewest is not None:
        holes = [holes_difference(e, fewest) for e in tied if e is not fewest]
        if all(gap is not None and gap.is_clear for gap in holes):
            others = _names(e for e in tied if e is not fewest)
            return [fewest], (
                f"its NLL does not differ reliably from that of {others}, and fewer of its samples "
                "fall into holes"
            )
    tied = sorted(tied, key=lambda e: (e.parameters or 0, _nll(e)))
    plainest = f"{tied[0].name} is the simplest"
    if not behind:
        return tied, f"{plainest}, and does as well"
    nearest = min(behind, key=lambda e: gaps[e.name].value)
    return tied, (
        f"their NLLs are the lowest, by {gaps[nearest.name]} nats per example and more, with no "
        f"reliable difference between them; {plainest}"
    )


def _holes_reasons(entries: Sequence[Entry], tied: Sequence[Entry]) -> tuple[str, ...]:
    measured = [e for e in entries if _share(e) is not None]
    if not measured:
        return ()
    measured.sort(key=lambda e: _share(e) or 0.0)
    shares = ", ".join(f"{_shown(e, SHARE_IN_HOLES)} ({e.name})" for e in measured)
    few = _share(measured[0]) or 0.0
    end = "" if few < 2 * PERFECT else "; none of them fills the holes"
    return (f"Share of samples in holes of q(z), where 1% is perfect: {shares}{end}.",)


def _fewer_holes(entries: Sequence[Entry], chosen: Entry) -> Entry | None:
    clear = []
    for entry in entries:
        gap = None if entry is chosen else holes_difference(chosen, entry)
        if gap is not None and gap.value > 0 and gap.is_clear:
            clear.append((gap.value, entry))
    return max(clear, key=lambda pair: pair[0])[1] if clear else None


def _of_top(entry: Entry) -> str:
    return " at the top level" if entry.num_levels > 1 else ""


def _levels_reasons(entry: Entry) -> list[str]:
    """Say what the rate of each level of latents is, and what to do about a dead one."""
    rates = entry.evaluation.record.get("level_rates")
    if rates is None:
        return []
    spent = ", ".join(f"{rate:.2f}" for rate in rates)
    reasons = [f"Its {len(rates)} levels have rates of {spent} nats, starting next to the data."]
    for level in dead_levels(entry.evaluation.record):
        others = [DEAD_RATE if n == level else 0 for n in range(1, len(rates) + 1)]
        bits = ",".join("1" if bits else "0" for bits in others)
        name = "The top level" if level == len(rates) else f"Level {level}"
        reasons.append(
            f"{name} is dead: its rate is below {DEAD_RATE} nats. Train again with a slower "
            f"warm-up, `--warmup-epochs 50`, or with free bits, `--free-bits [{bits}]`; if it "
            f"stays dead, use one level fewer, `--levels {len(rates) - 1}`."
        )
    return reasons


def _components_reasons(entry: Entry) -> list[str]:
    components = entry.exploration.components if entry.exploration else None
    used = entry.number(COMPONENTS_IN_USE)
    if components is None or used is None:
        return []
    sentence = f"The data use the equivalent of {used:.1f} of its {components.total:,} components"
    if components.unused:
        sentence += f", and hardly use {components.unused} of them"
    if used < 0.5 * components.total:
        return [
            f"{sentence}; fewer would be enough: `--num-components {max(1, round(1.5 * used))}`."
        ]
    if used <= 0.9 * components.total or components.total == 1:
        return [f"{sentence}."]
    nats, what = entry.number(MUTUAL_INFORMATION), "the mutual information"
    if nats is None:  # the rate is that and the marginal KL, so that it is never below
        nats, what = entry.number(RATE) or 0.0, "the rate"
    tells = math.exp(min(max(nats, 0.0), 50.0))
    if tells > components.total:
        return [f"{sentence}; more may help: `--num-components {2 * components.total}`."]
    return [
        f"{sentence}, but they overlap: at {nats:.2f} nats, {what} lets a code distinguish about "
        f"{tells:.0f} of them. More would not help."
    ]


def _marginal_reasons(entry: Entry) -> list[str]:
    if entry.value(MARGINAL_KL) is None:
        return []
    return [
        f"A better prior for the same encoder could gain at most {_shown(entry, MARGINAL_KL)} "
        f"nats, the marginal KL of q(z){_of_top(entry)} to the prior (± {MARGINAL_KL.covers})."
    ]


def _shown(entry: Entry, measure: Measure) -> str:
    """Return a number with its standard error."""
    return " ".join(filter(None, measure.text(entry.value(measure))))


def _names(entries: Iterable[Entry], word: str = "and") -> str:
    names = [entry.name for entry in entries]
    return names[0] if len(names) == 1 else f"{', '.join(names[:-1])} {word} {names[-1]}"
