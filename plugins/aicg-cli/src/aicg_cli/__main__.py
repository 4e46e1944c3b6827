"""`python -m aicg_cli` is `aicg`."""

from aicg_cli import main

main()
