"""`python -m priory`."""

from priory.cli import main

main()
