"""The commands of the shell: functions whose signatures are the options, one a file."""

from typing import Any

from priory.commands.check import check
from priory.commands.compare import compare
from priory.commands.encode import encode
from priory.commands.evaluate import evaluate
from priory.commands.refit import refit
from priory.commands.sample import sample
from priory.commands.score import score
from priory.commands.train import train

COMMANDS: dict[str, Any] = {
    "check": check,
    "compare": compare,
    "encode": encode,
    "evaluate": evaluate,
    "refit": refit,
    "sample": sample,
    "score": score,
    "train": train,
}
