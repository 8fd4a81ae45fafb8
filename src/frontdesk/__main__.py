"""`python -m frontdesk`: the command line, where the `frontdesk` script is not on the path."""

from frontdesk.cli import main

if __name__ == "__main__":
    main()
