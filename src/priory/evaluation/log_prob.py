"""Log p(x) of each example, stored so that two models can be compared on the same examples."""

import hashlib
import io
from dataclasses import dataclass
from pathlib import Path

import numpy as np
import torch
from jaxtyping import Float, Int
from torch import Tensor

from priory.arrays import to_numpy
from priory.files import write_whole

FILE = "log_prob.npy"


@dataclass(frozen=True)
class LogProb:
    """Log p(x) of each example in nats.

    Attributes:
        values: The numbers, `(N,)`.
        examples: A number that identifies each example, computed from its values, `(N,)`.
    """

    values: Float[Tensor, " N"]
    examples: Int[Tensor, " N"]

    @classmethod
    def of(cls, x: Tensor, values: Float[Tensor, " N"]) -> "LogProb":
        """Pair log p(x) with the examples.

        Args:
            x: The examples, `(N, *data_shape)`.
            values: Log p(x) of each.
        """
        rows = to_numpy(x.flatten(1)) + np.float32(0)  # one zero, not two
        digests = b"".join(hashlib.blake2b(row.tobytes(), digest_size=8).digest() for row in rows)
        return cls(values, torch.from_numpy(np.frombuffer(digests, "<i8").astype(np.int64)))

    def paired(self, other: "LogProb") -> Float[Tensor, "N 2"] | None:
        """Return log p(x) of both for each example; None if the examples differ.

        Examples:
            >>> import torch
            >>> from priory.evaluation import LogProb
            >>> x = torch.eye(3)
            >>> one = LogProb.of(x, torch.tensor([1.0, 2.0, 3.0]))
            >>> other = LogProb.of(x.flip(0), torch.tensor([6.0, 5.0, 4.0]))
            >>> sorted(one.paired(other).tolist())
            [[1.0, 4.0], [2.0, 5.0], [3.0, 6.0]]
            >>> one.paired(LogProb.of(x + 1, one.values)) is None
            True
        """
        (first, order), (second, other_order) = (
            one.examples.sort(stable=True) for one in (self, other)
        )
        if not first.equal(second):
            return None
        return torch.stack((self.values.cpu()[order], other.values.cpu()[other_order]), 1)

    def write(self, directory: Path) -> None:
        """Write the numbers to `log_prob.npy`: rows with the fields `example` and `log_prob`."""
        rows = np.empty(len(self.values), [("example", np.int64), ("log_prob", np.float64)])
        rows["example"], rows["log_prob"] = to_numpy(self.examples), to_numpy(self.values)
        content = io.BytesIO()
        np.save(content, rows, allow_pickle=False)
        write_whole(directory / FILE, content.getvalue())

    @classmethod
    def read(cls, directory: Path) -> "LogProb":
        """Read the file that `write` wrote.

        Raises:
            FileNotFoundError: If there is no such file.
            ValueError: If it is damaged.
        """
        try:
            with (directory / FILE).open("rb") as file:
                rows = np.lib.format.read_array(file, allow_pickle=False)
            return cls(
                torch.from_numpy(rows["log_prob"].copy()), torch.from_numpy(rows["example"].copy())
            )
        except (ValueError, EOFError, IndexError) as error:
            raise ValueError(
                f"expected log p(x) of each example in {directory / FILE}, got a damaged file; "
                "measure the model again."
            ) from error
