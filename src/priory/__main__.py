"""`python -m priory` is the command `priory`; so is `torchrun -m priory`."""

from priory.cli import main

if __name__ == "__main__":
    main()
