"""Measure how often the statistical checks reject a right prior.

    python benchmarks/false_alarms.py [seeds]

runs them on every prior in `tests/cases.py` under as many seeds (200 unless told), each of which
gives the prior other parameters and other samples, and writes all p-values to
`benchmarks/results/false_alarms.json` as it goes; what is there already is not run again.
"""

import json
import sys
from pathlib import Path
from typing import Any

sys.path.insert(0, str(Path(__file__).parents[1] / "tests"))

import torch
from tables import put_table

from cases import CASES, make_encoder
from priory.testing.kit import FALSE_ALARMS, STATISTICAL, new_subject, run_check

FILE = Path(__file__).parent / "results" / "false_alarms.json"


def main(seeds: int) -> None:
    """Run what is missing, and print a summary."""
    torch.set_num_threads(1)  # the tensors are small, and threads would wait for one another
    runs = json.loads(FILE.read_text())["runs"] if FILE.exists() else {}
    for seed in range(seeds):
        for case in CASES:
            key = f"{case.name} {seed}"
            if key not in runs:
                subject = new_subject(case.make, make_encoder(), seed=seed)
                results = [run_check(name, subject) for name in STATISTICAL]
                runs[key] = {
                    r.check: r.verdict if r.statistic is None else float(f"{r.statistic:.4g}")
                    for r in results
                    if r.verdict != "skipped"
                }
        summary = summarise(runs)
        FILE.write_text(json.dumps(summary | {"runs": runs}, indent=0) + "\n")
    put_table("testing.md", "false alarms", _table(summary))
    print(json.dumps(summary, indent=1))


def _table(summary: dict[str, Any]) -> list[str]:
    """Return the summary for the docs."""
    rows = [
        f"{summary['runs_of_the_kit']} runs, {len(summary['alarms'])} with an alarm "
        f"({100 * len(summary['alarms']) / summary['runs_of_the_kit']:.2f} %), "
        f"{len(summary['inconclusive'])} inconclusive. The share of p-values below a bound:",
        "",
        "| check | 0.1 | 0.01 | 0.001 |",
        "|---|---|---|---|",
    ]
    for name, share in summary["share_of_p_values_below"].items():
        rows.append(f"| {name} | " + " | ".join(f"{value:.4f}" for value in share.values()) + " |")
    return rows


def summarise(runs: dict[str, dict[str, float | str]]) -> dict[str, Any]:
    """Count alarms, runs that could not decide, and small p-values of each check."""
    level = FALSE_ALARMS / len(STATISTICAL)
    values = {
        name: [r[name] for r in runs.values() if isinstance(r.get(name), float)]
        for name in STATISTICAL
    }
    return {
        "torch": torch.__version__,
        "design": FALSE_ALARMS,
        "runs_of_the_kit": len(runs),
        "alarms": sorted(
            key
            for key, r in runs.items()
            if any(isinstance(p, float) and p <= level for p in r.values())
        ),
        "inconclusive": sorted(key for key, r in runs.items() if "inconclusive" in r.values()),
        "share_of_p_values_below": {
            name: {
                str(bound): round(sum(p <= bound for p in ps) / len(ps), 4)
                for bound in (0.1, 0.01, 0.001)
            }
            for name, ps in values.items()
            if ps
        },
    }


if __name__ == "__main__":
    main(int(sys.argv[1]) if len(sys.argv) > 1 else 200)
