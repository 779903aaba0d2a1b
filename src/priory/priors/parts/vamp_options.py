"""Which options of a VampPrior go together."""

from collections.abc import Sequence

from priory.priors.parts.starts import STARTS


def check_options(
    num_components: int,
    data_shape: Sequence[int],
    weights: str,
    init: str,
    generator: Sequence[int] | None,
    num_groups: int | None,
) -> None:
    """Refuse options of a VampPrior that are out of range, unknown or contradictory.

    Raises:
        ValueError: If there is one.

    """
    if min(num_components, *data_shape, 1) < 1:
        raise ValueError(
            "expected at least one component and data of at least one value, "
            f"got num_components={num_components} and data_shape={data_shape}."
        )
    if weights not in ("learned", "uniform"):
        raise ValueError(f"expected weights='learned' or 'uniform', got {weights!r}.")
    if init not in ("random", *STARTS):
        raise ValueError(f"expected init among random, {', '.join(STARTS)}, got {init!r}.")
    if generator is not None and init != "random":
        raise ValueError(f"expected a generator to start at random, got init={init!r}.")
    if num_groups is not None and (num_groups < 1 or weights == "uniform"):
        raise ValueError(
            "expected at least one group and learned weights for them, "
            f"got num_groups={num_groups} and weights={weights!r}."
        )
