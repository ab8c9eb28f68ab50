"""`python -m ganaug` is the command `ganaug`."""

from ganaug.cli.main import main

if __name__ == "__main__":
    main()
