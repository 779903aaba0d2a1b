"""Put every faulty prior and every prior of ours through the kit, and tell what it says.

    python benchmarks/audit_faults.py

writes the table in `docs/testing.md` and `benchmarks/results/audit.json`, and exits with status 1
if a faulty prior gets past, is rejected for another reason than its own, or a right one does not
pass.
"""

import json
import sys
import time
from pathlib import Path

sys.path.insert(0, str(Path(__file__).parents[1] / "tests"))

import torch
from tables import put_table

from cases import CASES, make_encoder
from kit_priors import RIGHT, WRONG
from priory.testing import Report, causes, check_prior

RESULTS = Path(__file__).parent / "results"


def main() -> None:
    """Run the audit and write its table."""
    torch.set_num_threads(1)  # the tensors are small, and threads would wait for one another
    start = time.perf_counter()
    rows, wrong = [], []
    skip = {"compile", "export"}
    for fault in WRONG:
        report = check_prior(
            fault.make,
            reference=fault.reference,
            latent_dim=fault.latent_dim,
            context=fault.context,
            skip=set() if fault.cause == causes.UNTRACEABLE else skip,
        )
        first = (*report.causes, "none")[0]
        right = bool(report.failures) and first == fault.cause
        wrong += [] if right else [fault.name]
        rows.append(_row(fault.name, report, first))
    for case in CASES:
        report = check_prior(case.make, make_encoder(), case.reference, context=case.context)
        rows.append(_row(case.name, report, "-"))
        wrong += [] if report.passed else [case.name]
    for prior in RIGHT:
        report = check_prior(prior.make, latent_dim=prior.latent_dim, skip=skip)
        rows.append(_row(prior.name, report, "-"))
        wrong += [prior.name] if report.failures or (prior.decided and not report.passed) else []
    seconds = time.perf_counter() - start
    _write(rows, seconds)
    print(f"{len(rows)} priors in {seconds:.0f} s; not as they should be: {wrong or 'none'}")
    sys.exit(bool(wrong))


def _row(name: str, report: Report, first_cause: str) -> dict[str, object]:
    verdict = "passed" if report.passed else "failed" if report.failures else "inconclusive"
    return {
        "prior": name,
        "verdict": verdict,
        "failed": [result.check for result in report.failures],
        "inconclusive": [result.check for result in report.inconclusive],
        "cause": first_cause,
        "causes": len(report.causes),
    }


def _write(rows: list[dict[str, object]], seconds: float) -> None:
    RESULTS.mkdir(exist_ok=True)
    facts = {"torch": torch.__version__, "seconds": round(seconds), "rows": rows}
    (RESULTS / "audit.json").write_text(json.dumps(facts, indent=1) + "\n")
    head = "| prior | verdict | checks that failed, or are inconclusive | first likely cause |"
    lines = [head, "|---|---|---|---|"]
    for row in rows:
        checks = ", ".join(map(str, row["failed"] or row["inconclusive"])) or "-"
        lines.append(f"| {row['prior']} | {row['verdict']} | {checks} | {row['cause']} |")
    print("\n".join(lines))
    put_table("testing.md", "audit", lines)


if __name__ == "__main__":
    main()
