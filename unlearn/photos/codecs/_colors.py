"""CMYK to sRGB through the embedded profile: there is no safe conversion without one."""

import io

from PIL import Image, ImageCms

from unlearn.photos.picture import LeftOut

CMYK = "CMYK (for print): left out unless it is to be converted to sRGB (cmyk: convert)"


def to_srgb(image: Image.Image, icc: bytes | None) -> Image.Image:
    """Convert a CMYK image to RGB in sRGB.

    Raises:
        LeftOut: there is no usable profile.
    """
    if not icc:
        raise LeftOut("CMYK without a color profile: cannot be converted")
    try:
        source = ImageCms.ImageCmsProfile(io.BytesIO(icc))
        converted = ImageCms.profileToProfile(image, source, ImageCms.createProfile("sRGB"), outputMode="RGB")
    except (ImageCms.PyCMSError, OSError) as error:
        raise LeftOut("CMYK with a color profile that cannot be used") from error
    if converted is None:
        raise LeftOut("CMYK with a color profile that cannot be used")
    return converted
