"""What tests of pictures share: the pictures of each run that they draw."""

from pathlib import Path

# By the names of the runs in the fixture `runs`: what is drawn besides the curves.
PICTURES = {
    "iris": ["confusion"],
    "digits": ["confusion", "misclassified", "filters"],
    "ice": ["confusion", "boundaries"],
    "flats": ["line", "predictions"],
    "houses": ["predictions"],
}


def names_in(paths):
    """Return the names of pictures in files."""
    return [Path(path).stem for path in paths]
