"""Seeds for what is drawn at random."""

import torch


def mix(*numbers: int) -> int:
    """Mix whole numbers into one seed; their count and their order matter.

    Examples:
        >>> from priory.data.seeds import mix
        >>> mix(0, 1) == mix(0, 1), mix(0, 1) == mix(1, 0), mix(0) == mix(0, 0)
        (True, False, False)

    """
    import numpy as np

    # NumPy pads with zeros, so that the count has to be said.
    seeds = np.random.SeedSequence((len(numbers), *numbers))
    return int(seeds.generate_state(1, np.uint64)[0] >> 1)


def seed_noise(seed: int) -> None:
    """Seed torch's generators of the CPU and of those GPUs that are in use.

    `torch.manual_seed` does more, for devices that are not, and takes milliseconds for it.
    """
    torch.default_generator.manual_seed(seed)
    if torch.cuda.is_initialized():
        torch.cuda.manual_seed_all(seed)
