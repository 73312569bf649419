"""`python -m mapt.bench.kernels`: see `operators`."""

from mapt.bench.kernels.operators import main

if __name__ == "__main__":
    main()
