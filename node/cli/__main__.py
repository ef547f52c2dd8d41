"""``python -m node.cli`` is the program ``yizhan``."""

from node.cli import main

if __name__ == "__main__":
    main()
