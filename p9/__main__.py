"""`python -m p9` is `p9`."""

from p9.main import main

main()
