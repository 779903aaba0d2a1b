"""Seeds for what is drawn at random."""


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
