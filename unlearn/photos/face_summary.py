"""What was done about faces, counted over the rows of a run, and said in plain words."""

from collections.abc import Collection
from dataclasses import dataclass

from unlearn.photos import wording
from unlearn.photos.finding import SMALLEST
from unlearn.photos.manifest import Manifest
from unlearn.photos.rows import shown
from unlearn.photos.subjects import EVERYONE

WORST = 5


@dataclass(frozen=True)
class Faces:
    """Counts over all photos in which faces were looked for. threats: what the noise on faces protects against.

    photos: looked at. found: all faces. protected, in_photos: faces with noise, and their photos. without: photos in
    which no face was found. small: faces too small for recognisers. moved: faces with noise that the detector no
    longer finds where they were, of `measured`. smallest: pixels of the smallest face with noise. worst: path, SSIM and
    PSNR of the worst faces. nameless: photos of which the faces share the key of everyone.
    """

    threats: tuple[str, ...] = ()
    photos: int = 0
    found: int = 0
    protected: int = 0
    in_photos: int = 0
    without: int = 0
    small: int = 0
    moved: int = 0
    measured: int = 0
    smallest: int | None = None
    worst: tuple[tuple[str, float, float], ...] = ()
    nameless: int = 0

    @property
    def bare(self) -> int:
        """Faces without noise, though they are large enough for it."""
        return self.found - self.protected - self.small


def gather(
    manifest: Manifest, where: str, of: tuple[int], threats: tuple[str, ...] = (), keyed: Collection[str] = ()
) -> Faces:
    """Count over the rows that a condition chooses; keyed: who has a key for faces."""
    looked = f"FROM file {where} AND faces IS NOT NULL"
    sums = ", ".join(f"coalesce(sum({name}), 0)" for name in ("faces", "faces_protected", "faces_small"))
    more = "coalesce(sum(faces_protected > 0), 0), coalesce(sum(faces = 0), 0), min(face_side)"
    photos, found, protected, small, in_photos, without, smallest = manifest.ask(
        f"SELECT count(*), {sums}, {more} {looked}", *of
    )[0]
    again = "coalesce(sum(faces_protected), 0), coalesce(sum(faces_moved), 0)"
    measured, moved = manifest.ask(f"SELECT {again} {looked} AND faces_moved IS NOT NULL", *of)[0]
    order = f"AND face_ssim IS NOT NULL ORDER BY face_ssim, path LIMIT {WORST}"
    shared = f"SELECT count(*) {looked} AND faces_protected > 0 AND subject = '{EVERYONE}'"
    worst = manifest.ask(f"SELECT path, face_ssim, face_psnr {looked} {order}", *of)
    return Faces(
        threats=threats,
        photos=photos,
        found=found,
        protected=protected,
        in_photos=in_photos,
        without=without,
        small=small,
        moved=moved,
        measured=measured,
        smallest=smallest,
        worst=tuple((shown(bytes(path)), float(ssim), float(psnr)) for path, ssim, psnr in worst),
        nameless=int(manifest.ask(shared, *of)[0][0]) if EVERYONE in keyed else 0,
    )


def lines(faces: Faces) -> list[str]:
    """`57 faces in 40 photos protected against matching` and what is to be known beside it."""
    if not faces.photos:
        return []
    against = f" against {' and '.join(faces.threats)}" if faces.threats else ""
    text = [f"{count(faces.protected)} in {wording.photos(faces.in_photos)} protected{against}"]
    if faces.smallest is not None:
        text[0] += f"; the smallest is {faces.smallest} pixels long"
    if faces.without:
        text.append(f"no face was found in {wording.photos(faces.without)}: look whether there is one")
    if faces.small:
        text.append(f"{count(faces.small)} smaller than {SMALLEST} pixels: left alone, no recogniser can use them")
    if faces.bare:
        text.append(f"WARNING: {count(faces.bare)} without noise, because there is no key for them")
    if faces.nameless > 1 and "matching" in faces.threats:
        text.append(wording.one_key_for_all(faces.nameless))
    return text + _written(faces)


def _written(faces: Faces) -> list[str]:
    if not faces.measured:
        return []
    where = "all of them" if not faces.moved else f"{faces.measured - faces.moved:,} of {faces.measured:,} of them"
    text = [f"in the saved files the detector finds {where} where they were"]
    if faces.worst:
        text.append("look at these faces first (worst SSIM):")
        text += [f"    {path}: SSIM {ssim:.3f}, PSNR {psnr:.1f} dB" for path, ssim, psnr in faces.worst]
    return text


def count(number: int) -> str:
    """`1 face`, `23 faces`."""
    return f"{number:,} face{'' if number == 1 else 's'}"
