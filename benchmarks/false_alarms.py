"""Measure how often the kit rejects a right prior.

    python benchmarks/false_alarms.py [seeds]

puts every right prior of `tests/cases.py` and `tests/kit_priors.py` through every check but those
of the compiler under as many seeds (200 unless told; 20 for the large ones), each of which gives
the prior other parameters and other samples. Failures and p-values are written to
`benchmarks/results/false_alarms.json` as it goes; what is there already is not run again, so that
it can be stopped and gone on with.
"""

import json
import sys
from pathlib import Path
from typing import Any

sys.path.insert(0, str(Path(__file__).parents[1] / "tests"))

import torch
from scipy.stats import beta
from tables import put_table

from cases import CASES, make_encoder
from kit_priors import LARGE, RIGHT
from priory.testing import Report, check_prior
from priory.testing.kit import FALSE_ALARMS, STATISTICAL

FILE = Path(__file__).parent / "results" / "false_alarms.json"
TRACED = ("compile", "export")


def main(seeds: int) -> None:
    """Run what is missing, and print a summary."""
    torch.set_num_threads(1)  # the tensors are small, and threads would wait for one another
    runs = json.loads(FILE.read_text())["runs"] if FILE.exists() else {}
    for seed in range(seeds):
        for case in CASES:
            if (key := f"{case.name} {seed}") not in runs:
                encoder, context = make_encoder(), case.context
                report = check_prior(case.make, encoder, seed=seed, skip=TRACED, context=context)
                runs[key] = _answers(report)
                _write(runs)
        for right in [*RIGHT, *(LARGE if seed < 20 else [])]:
            if (key := f"{right.name} {seed}") not in runs:
                size = right.latent_dim
                report = check_prior(right.make, latent_dim=size, seed=seed, skip=TRACED)
                runs[key] = _answers(report)
                _write(runs)
    _write(runs)
    put_table("testing.md", "false alarms", _table(summarise(runs)))


def _answers(report: Report) -> dict[str, Any]:
    """Return what failed or was left undecided, and the p-values."""
    return {
        "failed": [result.check for result in report.failures],
        "inconclusive": [result.check for result in report.inconclusive],
        "p": {
            result.check: float(f"{result.statistic:.4g}")
            for result in report.results
            if result.is_p_value and result.statistic is not None
        },
    }


def _write(runs: dict[str, dict[str, Any]]) -> None:
    FILE.write_text(json.dumps(summarise(runs) | {"runs": runs}, indent=0) + "\n")


def _table(summary: dict[str, Any]) -> list[str]:
    """Return the summary for the docs."""
    count, alarms = summary["runs_of_the_kit"], len(summary["alarms"])
    rows = [
        f"{count} runs of {len(summary['priors'])} priors, {alarms} with an alarm: at most "
        f"{100 * summary['upper_limit']:.2f} % (95 % limit), and at most "
        f"{max(prior['alarms'] for prior in summary['priors'].values())} of any prior.",
        "",
        "| prior | runs | alarms | left undecided |",
        "|---|---|---|---|",
    ]
    for name, prior in summary["priors"].items():
        undecided = ", ".join(prior["undecided"]) or "-"
        rows.append(f"| {name} | {prior['runs']} | {prior['alarms']} | {undecided} |")
    rows += ["", "The share of p-values below a bound:", ""]
    rows += ["| check | 0.1 | 0.01 | 0.001 |", "|---|---|---|---|"]
    for name, share in summary["share_of_p_values_below"].items():
        rows.append(f"| {name} | " + " | ".join(f"{value:.4f}" for value in share.values()) + " |")
    return rows


def summarise(runs: dict[str, dict[str, Any]]) -> dict[str, Any]:
    """Count alarms, runs that could not decide, and small p-values of each check."""
    alarms = {key: run["failed"] for key, run in runs.items() if run["failed"]}
    priors: dict[str, dict[str, Any]] = {}
    for key, run in runs.items():
        name = key.rsplit(" ", 1)[0]
        prior = priors.setdefault(name, {"runs": 0, "alarms": 0, "undecided": []})
        prior["runs"] += 1
        prior["alarms"] += bool(run["failed"])
        prior["undecided"] = sorted({*prior["undecided"], *run["inconclusive"]})
    shares = {}
    for name in STATISTICAL:
        values = [run["p"][name] for run in runs.values() if name in run["p"]]
        if values:
            shares[name] = {
                str(bound): round(sum(p <= bound for p in values) / len(values), 4)
                for bound in (0.1, 0.01, 0.001)
            }
    count = max(1, len(runs))
    limit = beta.ppf(0.95, len(alarms) + 1, count - len(alarms)) if len(alarms) < count else 1.0
    return {
        "torch": torch.__version__,
        "design": FALSE_ALARMS,
        "runs_of_the_kit": len(runs),
        "upper_limit": round(float(limit), 5),
        "alarms": alarms,
        "priors": priors,
        "share_of_p_values_below": shares,
    }


if __name__ == "__main__":
    main(int(sys.argv[1]) if len(sys.argv) > 1 else 200)
