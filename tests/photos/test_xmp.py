"""XMP is rebuilt from an allow-list of properties; packets that ask for too much are dropped whole."""

import struct

import numpy as np
import pytest
from photo_plants import MAGENTA_64, THUMBNAILS_XMP, holds_marker, packet

from unlearn.photos import exif_tags, xmp, xmp_packet
from unlearn.photos.exif import Frame
from unlearn.photos.writing import Writing
from unlearn.photos.xmp_packet import Items, PacketError

FRAME = Frame(400, 300, 6)

FULL = packet(
    "<tiff:Make>Maker</tiff:Make><tiff:Orientation>1</tiff:Orientation>"
    "<exif:PixelXDimension>4000</exif:PixelXDimension><exif:GPSLatitude>47,30N</exif:GPSLatitude>"
    "<xmp:Rating>4</xmp:Rating><xmp:CreateDate>2021-05-06T07:08:09+02:00</xmp:CreateDate>"
    "<aux:SerialNumber>4711</aux:SerialNumber><xmpMM:DocumentID>xmp.did:1234</xmpMM:DocumentID>"
    "<dc:creator><rdf:Seq><rdf:li>Olga Owner</rdf:li></rdf:Seq></dc:creator>"
    '<dc:title><rdf:Alt><rdf:li xml:lang="x-default">Lake &amp; hill</rdf:li>'
    '<rdf:li xml:lang="de">See</rdf:li></rdf:Alt></dc:title>'
    "<dc:subject><rdf:Bag><rdf:li>lake</rdf:li><rdf:li>Anna</rdf:li></rdf:Bag></dc:subject>"
    "<digiKam:TagsList><rdf:Seq><rdf:li>People/Anna</rdf:li><rdf:li>Places/Lake</rdf:li></rdf:Seq></digiKam:TagsList>"
    "<Iptc4xmpExt:PersonInImage><rdf:Bag><rdf:li>Anna</rdf:li></rdf:Bag></Iptc4xmpExt:PersonInImage>"
    '<mwg-rs:Regions rdf:parseType="Resource"><mwg-rs:AppliedToDimensions stDim:w="400" stDim:h="300"/>'
    '<mwg-rs:RegionList><rdf:Bag><rdf:li><rdf:Description mwg-rs:Name="Anna" mwg-rs:Type="Face">'
    '<mwg-rs:Area stArea:x="0.5" stArea:y="0.5" stArea:w="0.1" stArea:h="0.2"/>'
    "<mwg-rs:Extensions><x:y xmlns:x='http://x/'>secret</x:y></mwg-rs:Extensions>"
    "</rdf:Description></rdf:li></rdf:Bag></mwg-rs:RegionList></mwg-rs:Regions>"
)


def rebuilt(data: bytes, policy: str, names: bool = False) -> tuple[dict[str, xmp_packet.Value], dict[str, int]]:
    made, dropped = xmp.rebuild(data, exif_tags.kept_groups(Writing(metadata=policy, names=names)), FRAME)
    return (xmp_packet.parse(made) if made else {}), dropped


def test_safe_keeps_title_date_rating_and_camera() -> None:
    kept, dropped = rebuilt(FULL, "safe")
    assert kept["dc:title"] == Items("Alt", ("Lake & hill", "See"), ("x-default", "de"))
    assert kept["xmp:Rating"] == "4"
    assert kept["xmp:CreateDate"] == "2021-05-06T07:08:09+02:00"
    assert kept["tiff:Make"] == "Maker"
    assert set(kept) == {
        "dc:title", "xmp:Rating", "xmp:CreateDate", "tiff:Make", "tiff:Orientation", "exif:PixelXDimension",
    }  # fmt: skip
    assert set(dropped) == {"gps", "serial number", "owner", "keywords", "names", "face regions", "document ids"}


def test_orientation_and_sizes_are_those_of_the_stored_picture() -> None:
    kept, _ = rebuilt(FULL, "safe")
    assert (kept["tiff:Orientation"], kept["exif:PixelXDimension"]) == ("6", "400")


def test_keep_keeps_what_is_private() -> None:
    kept, dropped = rebuilt(FULL, "keep")
    assert kept["exif:GPSLatitude"] == "47,30N"
    assert kept["dc:subject"] == Items("Bag", ("lake", "Anna"))
    assert kept["aux:SerialNumber"] == "4711"
    regions = kept["mwg-rs:Regions"]
    assert isinstance(regions, dict)
    assert regions["mwg-rs:RegionList"].values[0]["mwg-rs:Area"]["stArea:w"] == "0.1"
    assert set(dropped) == {"document ids", "oversized or odd XMP"}, "ids link copies of one photo; Extensions are odd"


def test_names_with_safe_keep_persons_and_nothing_else_private() -> None:
    kept, dropped = rebuilt(FULL, "safe", names=True)
    assert kept["Iptc4xmpExt:PersonInImage"] == Items("Bag", ("Anna",))
    assert kept["digiKam:TagsList"] == Items("Seq", ("People/Anna",))
    assert "mwg-rs:Regions" in kept
    assert "dc:subject" not in kept
    assert {"gps", "serial number", "owner", "keywords"} <= set(dropped)


def test_strip_writes_no_packet() -> None:
    kept, dropped = rebuilt(FULL, "strip")
    assert not kept
    assert {"caption", "camera", "gps"} <= set(dropped)


@pytest.mark.parametrize("policy", ["safe", "keep"])
def test_secrets_of_dropped_properties_leave_no_bytes(policy: str) -> None:
    made, _ = xmp.rebuild(FULL, exif_tags.kept_groups(Writing(metadata=policy)), FRAME)
    assert b"secret" not in (made or b"")
    assert b"did:1234" not in (made or b"")
    assert (b"Anna" in (made or b"")) == (policy == "keep")


PICTURES = {
    "thumbnails": THUMBNAILS_XMP,
    "image": packet(f"<GImage:Mime>image/jpeg</GImage:Mime><GImage:Data>{MAGENTA_64}</GImage:Data>"),
    "depth": packet(f"<GDepth:Format>RangeLinear</GDepth:Format><GDepth:Data>{MAGENTA_64}</GDepth:Data>"),
    "unknown": packet(f"<my:Preview>{MAGENTA_64}</my:Preview>", ' xmlns:my="http://example.org/"'),
    "attribute": packet("").replace(b'rdf:about=""', f'rdf:about="" GImage:Data="{MAGENTA_64}"'.encode()),
    "caption": packet(f"<dc:description><rdf:Alt><rdf:li>{MAGENTA_64}</rdf:li></rdf:Alt></dc:description>"),
    "data uri": packet(f"<xmp:Label>data:image/jpeg;base64,{MAGENTA_64}</xmp:Label>"),
    "broken lines": packet(f"<photoshop:Headline>{MAGENTA_64[:3000]}&#xA;{MAGENTA_64[3000:]}</photoshop:Headline>"),
}


@pytest.mark.parametrize("name", PICTURES)
def test_pictures_do_not_stay_in_any_policy(name: str) -> None:
    for policy in ("safe", "keep", "strip"):
        made, dropped = xmp.rebuild(PICTURES[name], exif_tags.kept_groups(Writing(metadata=policy)), FRAME)
        assert holds_marker(PICTURES[name])
        assert not holds_marker(made or b"")
        assert dropped


def test_the_rest_of_a_packet_with_previews_stays() -> None:
    kept, dropped = rebuilt(THUMBNAILS_XMP, "safe")
    assert set(kept) == {"dc:title"}
    assert dropped == {"preview in XMP": 1}


def test_writing_is_deterministic_and_settles() -> None:
    groups = exif_tags.kept_groups(Writing(metadata="keep"))
    made, _ = xmp.rebuild(FULL, groups, FRAME)
    assert made is not None
    assert xmp.rebuild(FULL, groups, FRAME)[0] == made
    assert xmp.rebuild(made, groups, FRAME) == (made, {})


def test_a_packet_fits_into_one_segment() -> None:
    text = "word " * 3_000
    names = ("dc:title", "dc:description", "photoshop:Headline", "xmp:Label", "tiff:Make", "tiff:Model")
    data = packet("".join(f"<{name}>{text}</{name}>" for name in names))
    made, dropped = xmp.rebuild(data, exif_tags.kept_groups(Writing()), FRAME)
    assert 10_000 < len(made or b"") < 60_500
    assert dropped == {"oversized or odd XMP": 1}


@pytest.mark.parametrize(
    "hostile",
    [
        b"",
        b"<",
        b"\x00" * 100,
        b"<x:xmpmeta",
        b"<rdf:RDF></rdf:RDF>",
        packet("")[:-120],
        b'<!DOCTYPE a [<!ENTITY b "c">]><a>&b;</a>',
        b'<!DOCTYPE x [<!ENTITY a "aaaaaaaaaa"><!ENTITY b "&a;&a;&a;&a;">]><x:xmpmeta xmlns:x="a">&b;</x:xmpmeta>',
        packet(
            '<dc:title xmlns:xi="http://www.w3.org/2001/XInclude"><xi:include href="file:///etc/passwd"/></dc:title>'
        ),
        packet("<dc:title>" + "<a>" * 5_000 + "</a>" * 5_000 + "</dc:title>"),
        packet("<dc:title/>" * 210_000),
        b'<?xml version="1.0" encoding="no-such-encoding"?><rdf:RDF xmlns:rdf="a"/>',
        b"<rdf:RDF " * 100_000,
    ],
    ids=range(13),
)
def test_hostile_packets_end_without_an_error(hostile: bytes) -> None:
    made, _ = xmp.rebuild(hostile, exif_tags.kept_groups(Writing(metadata="keep")), FRAME)
    assert b"root:" not in (made or b"")
    assert len(made or b"") < 1_000


def test_damage_is_counted() -> None:
    assert xmp.rebuild(b"<broken", frozenset(), FRAME) == (None, {"damaged XMP": 1})
    with pytest.raises(PacketError, match="larger"):
        xmp_packet.parse(b" " * (xmp_packet.MAX_BYTES + 1))


def test_random_damage_never_raises() -> None:
    generator = np.random.default_rng(1)
    groups = exif_tags.kept_groups(Writing(metadata="keep"))
    for _ in range(300):
        data = bytearray(FULL[: int(generator.integers(1, len(FULL) + 1))])
        for _ in range(int(generator.integers(0, 4))):
            data[int(generator.integers(0, len(data)))] = int(generator.integers(0, 256))
        made, _ = xmp.rebuild(bytes(data), groups, FRAME)
        assert made is None or xmp_packet.parse(made)


def test_wide_packets_and_late_declarations_are_read() -> None:
    text = packet("<xmp:Rating>3</xmp:Rating>").decode()
    assert xmp_packet.parse(text.encode("utf-16")) == {"xmp:Rating": "3"}
    late = text.replace("<x:xmpmeta", '<?xml version="1.0"?><x:xmpmeta').encode() + b"\x00" * 50
    assert xmp_packet.parse(late) == {"xmp:Rating": "3"}


def extension(guid: bytes, whole: int, offset: int, part: bytes) -> bytes:
    return xmp.EXTENSION + guid + struct.pack(">II", whole, offset) + part


def test_extended_packets_are_joined() -> None:
    extra = packet(f"<GImage:Data>{MAGENTA_64}</GImage:Data><dc:source>x</dc:source>")
    parts = [extension(b"A" * 32, len(extra), at, extra[at : at + 700]) for at in range(0, len(extra), 700)]
    segments = [b"Exif\0\0", xmp.STANDARD + packet("<xmp:Rating>3</xmp:Rating>"), *reversed(parts)]
    joined = xmp.assembled(segments)
    found = xmp_packet.parse(joined or b"")
    assert found["xmp:Rating"] == "3"
    assert found["GImage:Data"] == MAGENTA_64
    assert xmp.rebuild(joined, exif_tags.kept_groups(Writing()), FRAME)[1]["picture in XMP"] == 1


def test_extended_packets_that_do_not_join_leave_the_standard_one() -> None:
    standard = packet("<xmp:Rating>3</xmp:Rating>")
    assert xmp.assembled([xmp.STANDARD + standard, extension(b"A" * 32, 9, 0, b"<broken>")]) == standard
    assert xmp.assembled([b"other"]) is None
