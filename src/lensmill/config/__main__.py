"""Check the files generated from the models, or write them: `python -m lensmill.config [--write]`."""

import argparse
import sys
from pathlib import Path

from lensmill.config.documents import documents, drifted
from lensmill.io.files import write_text


def main(arguments: list[str] | None = None) -> int:
    """Exit code 0 if the generated files agree with the models, or were written; 1 if they do not."""
    parser = argparse.ArgumentParser(prog="python -m lensmill.config", description=__doc__)
    parser.add_argument("--write", action="store_true", help="write the files")
    parser.add_argument("--root", type=Path, default=Path(), help="the project's root")
    options = parser.parse_args(arguments)
    stale = drifted(options.root)
    for path in stale:
        if options.write:
            write_text(options.root / path, documents()[path])
        print(f"{path}: {'written' if options.write else 'not what the models say; run with --write'}")
    return 1 if stale and not options.write else 0


if __name__ == "__main__":
    sys.exit(main())
