"""XMP properties that may stay in a protected photo, with their metadata groups; and what the others are called.

An allow-list: a property or a field of a struct that is not named here is dropped, whatever it holds.
"""

from typing import Any

# A shape is TEXT (a text, or a list of texts), or a dict of fields (a struct, or a list of structs).
TEXT = None
Shape = Any


def _texts(group: str, prefix: str, names: str) -> dict[str, tuple[str, Shape]]:
    return {f"{prefix}:{name}": (group, TEXT) for name in names.split()}


def _struct(prefix: str, names: str) -> dict[str, Shape]:
    return {f"{prefix}:{name}": TEXT for name in names.split()}


_AREA = _struct("stArea", "x y w h d unit")
MWG_REGIONS = {
    "mwg-rs:AppliedToDimensions": _struct("stDim", "w h unit"),
    "mwg-rs:RegionList": {
        **_struct("mwg-rs", "Name Type Rotation"),
        "mwg-rs:Area": _AREA,
    },
}
MP_REGIONS = {"MPRI:Regions": _struct("MPReg", "Rectangle PersonDisplayName")}
_PLACE = _struct("Iptc4xmpExt", "Sublocation City ProvinceState CountryName CountryCode WorldRegion LocationName")
_CONTACT = _struct(
    "Iptc4xmpCore", "CiAdrExtadr CiAdrCity CiAdrRegion CiAdrPcode CiAdrCtry CiTelWork CiEmailWork CiUrlWork"
)

ALLOWED: dict[str, tuple[str, Shape]] = {
    **_texts("orientation", "tiff", "Orientation"),
    **_texts("layout", "tiff", "ImageWidth ImageLength XResolution YResolution ResolutionUnit"),
    **_texts("layout", "exif", "PixelXDimension PixelYDimension ColorSpace"),
    **_texts("camera", "tiff", "Make Model Software"),
    **_texts("camera", "xmp", "CreatorTool"),
    **_texts("camera", "exif", "ExposureTime FNumber ExposureProgram ISOSpeedRatings ShutterSpeedValue ApertureValue"),
    **_texts("camera", "exif", "BrightnessValue ExposureBiasValue MaxApertureValue SubjectDistance MeteringMode"),
    **_texts("camera", "exif", "LightSource FocalLength FocalLengthIn35mmFilm WhiteBalance SceneCaptureType"),
    **_texts("camera", "exif", "DigitalZoomRatio Contrast Saturation Sharpness ExposureMode CustomRendered"),
    **_texts("camera", "exifEX", "LensMake LensModel LensSpecification PhotographicSensitivity SensitivityType"),
    **_texts("camera", "aux", "Lens LensInfo LensID ApproximateFocusDistance Firmware FlashCompensation"),
    **_texts("camera", "GPano", "ProjectionType UsePanoramaViewer CroppedAreaImageWidthPixels"),
    **_texts("camera", "GPano", "CroppedAreaImageHeightPixels CroppedAreaLeftPixels CroppedAreaTopPixels"),
    **_texts("camera", "GPano", "FullPanoWidthPixels FullPanoHeightPixels StitchingSoftware"),
    **_texts("date", "xmp", "CreateDate ModifyDate MetadataDate"),
    **_texts("date", "photoshop", "DateCreated"),
    **_texts("date", "exif", "DateTimeOriginal DateTimeDigitized OffsetTime OffsetTimeOriginal OffsetTimeDigitized"),
    **_texts("date", "tiff", "DateTime"),
    **_texts("rating", "xmp", "Rating Label"),
    **_texts("rating", "MicrosoftPhoto", "Rating"),
    **_texts("rating", "digiKam", "PickLabel ColorLabel"),
    **_texts("caption", "dc", "title description"),
    **_texts("caption", "photoshop", "Headline"),
    **_texts("caption", "tiff", "ImageDescription"),
    **_texts("caption", "exif", "UserComment"),
    **_texts("caption", "Iptc4xmpCore", "AltTextAccessibility ExtDescrAccessibility"),
    **_texts(
        "gps", "exif", "GPSVersionID GPSLatitude GPSLongitude GPSAltitude GPSAltitudeRef GPSTimeStamp GPSMapDatum"
    ),
    **_texts("gps", "exif", "GPSSatellites GPSStatus GPSMeasureMode GPSDOP GPSSpeed GPSSpeedRef GPSTrack GPSTrackRef"),
    **_texts("gps", "exif", "GPSImgDirection GPSImgDirectionRef GPSDestLatitude GPSDestLongitude GPSDestBearing"),
    **_texts("gps", "exif", "GPSProcessingMethod GPSAreaInformation GPSDateStamp GPSHPositioningError"),
    **_texts("gps", "GPano", "PoseHeadingDegrees PosePitchDegrees PoseRollDegrees"),
    **_texts("gps", "photoshop", "City State Country"),
    **_texts("gps", "Iptc4xmpCore", "Location CountryCode"),
    "Iptc4xmpExt:LocationShown": ("gps", _PLACE),
    "Iptc4xmpExt:LocationCreated": ("gps", _PLACE),
    **_texts("serial number", "aux", "SerialNumber LensSerialNumber"),
    **_texts("serial number", "exifEX", "BodySerialNumber LensSerialNumber"),
    **_texts("serial number", "exif", "ImageUniqueID"),
    **_texts("owner", "dc", "creator rights publisher contributor"),
    **_texts("owner", "xmpRights", "Marked Owner UsageTerms WebStatement"),
    **_texts("owner", "photoshop", "Credit Source AuthorsPosition CaptionWriter"),
    **_texts("owner", "aux", "OwnerName"),
    **_texts("owner", "exifEX", "CameraOwnerName"),
    **_texts("owner", "tiff", "Artist Copyright"),
    "Iptc4xmpCore:CreatorContactInfo": ("owner", _CONTACT),
    **_texts("keywords", "dc", "subject"),
    **_texts("keywords", "lr", "hierarchicalSubject"),
    **_texts("keywords", "digiKam", "TagsList"),
    **_texts("keywords", "MicrosoftPhoto", "LastKeywordXMP LastKeywordIPTC"),
    **_texts("names", "Iptc4xmpExt", "PersonInImage"),
    "mwg-rs:Regions": ("face regions", MWG_REGIONS),
    "MP:RegionInfo": ("face regions", MP_REGIONS),
}

_BY_NAME = {
    "xmp:Thumbnails": "preview in XMP",
    "xmpNote:HasExtendedXMP": "",
    "GCamera:MotionPhoto": "motion photo mark",
    "GCamera:MicroVideo": "motion photo mark",
}
_BY_PREFIX = {
    "xmpGImg": "preview in XMP",
    "GImage": "picture in XMP",
    "GDepth": "depth map in XMP",
    "Device": "depth map in XMP",
    "GAudio": "sound in XMP",
    "GCamera": "camera data in XMP",
    "Container": "container of further pictures",
    "hdrgm": "gain map mark",
    "HDRGainMap": "gain map mark",
    "xmpMM": "document ids",
    "crs": "edit settings",
}


def kind_of(name: str) -> str:
    """What a property outside the allow-list is called when it is counted; empty for what needs no mention."""
    return _BY_NAME.get(name, _BY_PREFIX.get(name.partition(":")[0], "other XMP"))
