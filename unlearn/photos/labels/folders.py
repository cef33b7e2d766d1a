"""One folder a person: the first folder below the archive is the subject of everything in it."""

from unlearn.photos import persons
from unlearn.photos.persons import Labels, Region

SOURCE = "folders"


def read(path: bytes) -> Labels:
    """The label of a photo by its path relative to the archive; none for photos that lie in no folder."""
    folder, slash, _ = path.partition(b"/")
    name = persons.name(folder.decode("utf-8", "backslashreplace")) if slash else ""
    return Labels(SOURCE, (Region(name, None, SOURCE),) if name else ())
