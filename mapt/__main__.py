"""`python -m mapt`: the command line, where the script `mapt` is not on the path."""

from mapt.cli import program

if __name__ == "__main__":
    program()
