"""`python -m gnomon`, and what `torchrun -m gnomon` starts: the command line."""

from gnomon.cli.app import main

if __name__ == "__main__":
    main()
