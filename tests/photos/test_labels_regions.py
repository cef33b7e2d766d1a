"""Face regions in XMP: both notations, every orientation, stale crops, and names without boxes."""

import numpy as np
import pytest
from photo_plants import packet

from unlearn.photos import picture
from unlearn.photos.labels import regions
from unlearn.photos.persons import Box, Labels, View

WIDE = View(400, 300)


def mwg(*faces: str, size: tuple[int, int] | None = (400, 300)) -> bytes:
    stated = f'<mwg-rs:AppliedToDimensions stDim:w="{size[0]}" stDim:h="{size[1]}" stDim:unit="pixel"/>' if size else ""
    return packet(
        f'<mwg-rs:Regions rdf:parseType="Resource">{stated}<mwg-rs:RegionList><rdf:Bag>{"".join(faces)}'
        "</rdf:Bag></mwg-rs:RegionList></mwg-rs:Regions>"
    )


def face(name: str, x: float, y: float, w: float, h: float, kind: str = ' mwg-rs:Type="Face"') -> str:
    return (
        f'<rdf:li><rdf:Description mwg-rs:Name="{name}"{kind}><mwg-rs:Area stArea:x="{x}" stArea:y="{y}" '
        f'stArea:w="{w}" stArea:h="{h}" stArea:unit="normalized"/></rdf:Description></rdf:li>'
    )


def mp(*people: str) -> bytes:
    return packet(
        '<MP:RegionInfo rdf:parseType="Resource"><MPRI:Regions><rdf:Bag>'
        + "".join(people)
        + "</rdf:Bag></MPRI:Regions></MP:RegionInfo>"
    )


def person(name: str, rectangle: str) -> str:
    return f'<rdf:li MPReg:Rectangle="{rectangle}" MPReg:PersonDisplayName="{name}"/>'


def close(box: Box | None, expected: tuple[float, float, float, float]) -> bool:
    return box is not None and np.allclose((box.x, box.y, box.w, box.h), expected, atol=1e-6)


def test_mwg_areas_are_centered() -> None:
    (found,) = regions.read(mwg(face("Anna", 0.5, 0.4, 0.2, 0.3)), WIDE).regions
    assert (found.name, found.source, found.frame) == ("Anna", "mwg", "stored")
    assert close(found.box, (0.4, 0.25, 0.2, 0.3))


def test_mwg_as_elements() -> None:
    row = (
        '<rdf:li rdf:parseType="Resource"><mwg-rs:Name>Anna</mwg-rs:Name><mwg-rs:Type>Face</mwg-rs:Type>'
        '<mwg-rs:Area rdf:parseType="Resource"><stArea:x>0,5</stArea:x><stArea:y>0.4</stArea:y>'
        "<stArea:w>0.2</stArea:w><stArea:h>0.3</stArea:h></mwg-rs:Area></rdf:li>"
    )
    (found,) = regions.read(mwg(row), WIDE).regions
    assert close(found.box, (0.4, 0.25, 0.2, 0.3))


def test_microsoft_rectangles_start_left_and_top() -> None:
    (found,) = regions.read(mp(person("Anna", "0.4, 0.25, 0.2, 0.3")), WIDE).regions
    assert (found.name, found.source) == ("Anna", "mp")
    assert close(found.box, (0.4, 0.25, 0.2, 0.3))


def test_circles_and_pixels() -> None:
    circle = (
        '<rdf:li><rdf:Description mwg-rs:Name="A"><mwg-rs:Area stArea:x="0.5" stArea:y="0.5" stArea:d="0.5"/>'
        "</rdf:Description></rdf:li>"
    )
    (found,) = regions.read(mwg(circle), WIDE).regions
    assert close(found.box, (0.5 - 0.1875, 0.25, 0.375, 0.5)), "150 of 400 and 150 of 300 pixels"
    pixels = face("A", 200, 150, 80, 60).replace("normalized", "pixel")
    assert close(regions.read(mwg(pixels), WIDE).regions[0].box, (0.4, 0.4, 0.2, 0.2))
    dotted = circle.replace('"0.5"', '"150"').replace("/></rdf:D", ' stArea:unit="pixel"/></rdf:D')
    assert close(regions.read(mwg(dotted), WIDE).regions[0].box, (0.1875, 0.25, 0.375, 0.5))


def test_only_faces_count() -> None:
    kinds = [face(kind, 0.5, 0.5, 0.1, 0.1, f' mwg-rs:Type="{kind}"') for kind in ("Pet", "Focus", "BarCode", "Face")]
    assert regions.read(mwg(*kinds, face("untyped", 0.2, 0.2, 0.1, 0.1, "")), WIDE).names == ("Face", "untyped")


def test_names_come_by_size_of_the_face() -> None:
    found = regions.read(mwg(face("Small", 0.2, 0.2, 0.1, 0.1), face("Large", 0.6, 0.6, 0.3, 0.3)), WIDE)
    assert found.names == ("Large", "Small")


def test_faces_in_both_notations_count_once() -> None:
    both = mwg(face("Anna", 0.5, 0.4, 0.2, 0.3), face("Ben", 0.1, 0.1, 0.1, 0.1)).replace(
        b"</rdf:Description></rdf:RDF>",
        mp(
            person("Anna", "0.4,0.25,0.2,0.3"), person("", "0.05,0.05,0.1,0.1"), person("Cleo", "0.8,0.8,0.1,0.1")
        ).partition(b"<MP:")[1]
        + mp(person("Anna", "0.4,0.25,0.2,0.3"), person("", "0.05,0.05,0.1,0.1"), person("Cleo", "0.8,0.8,0.1,0.1"))
        .partition(b"<MP:")[2]
        .partition(b"</rdf:Description></rdf:RDF>")[0]
        + b"</rdf:Description></rdf:RDF>",
    )
    found = regions.read(both, WIDE).regions
    assert [(region.name, region.source) for region in found] == [("Anna", "mwg"), ("Ben", "mwg"), ("Cleo", "mp")]


@pytest.mark.parametrize("orientation", range(1, 9))
def test_stored_regions_become_upright(orientation: int) -> None:
    view = View(400, 300, orientation)
    canvas = np.zeros((300, 400), np.uint8)
    canvas[30:90, 40:160] = 1  # x 0.1 to 0.4, y 0.1 to 0.3
    rows, columns = np.nonzero(picture.upright(canvas, orientation))
    height, width = picture.upright(canvas, orientation).shape
    expected = (
        columns.min() / width,
        rows.min() / height,
        (np.ptp(columns) + 1) / width,
        (np.ptp(rows) + 1) / height,
    )
    data = mwg(face("Anna", 0.25, 0.2, 0.3, 0.2))
    assert close(regions.read(data, view).regions[0].box, expected)


@pytest.mark.parametrize("orientation", [5, 6, 7, 8])
def test_regions_of_the_swapped_size_are_upright_already(orientation: int) -> None:
    data = mwg(face("Anna", 0.25, 0.2, 0.3, 0.2), size=(300, 400))
    (found,) = regions.read(data, View(400, 300, orientation)).regions
    assert found.frame == "upright"
    assert close(found.box, (0.1, 0.1, 0.3, 0.2))


@pytest.mark.parametrize("size", [(3000, 2250), (401, 300)])
def test_another_scale_is_the_same_crop(size: tuple[int, int]) -> None:
    assert regions.read(mwg(face("Anna", 0.5, 0.4, 0.2, 0.3), size=size), WIDE).regions[0].box


def test_stale_regions_are_noted_and_not_used() -> None:
    found = regions.read(mwg(face("Anna", 0.5, 0.4, 0.2, 0.3), size=(400, 200)), WIDE)
    assert found.regions == ()
    assert found.notes == ("face regions are older than the photo's crop and were not used (Anna)",)


@pytest.mark.parametrize(("size", "view"), [(None, View(400, 300, 6)), ((300, 300), View(300, 300, 8))])
def test_unclear_frames_are_noted(size: tuple[int, int] | None, view: View) -> None:
    found = regions.read(mwg(face("Anna", 0.25, 0.2, 0.3, 0.2), size=size), view)
    assert found.regions[0].frame == "unclear"
    assert len(found.notes) == 1
    assert regions.read(mwg(face("A", 0.2, 0.2, 0.1, 0.1), size=None), WIDE).notes == ()


def test_a_turn_that_only_the_decoder_knows_keeps_the_name() -> None:
    (found,) = regions.read(mwg(face("Anna", 0.25, 0.2, 0.3, 0.2), size=(300, 400)), WIDE).regions
    assert (found.name, found.box) == ("Anna", None)


@pytest.mark.parametrize(
    "numbers", [("nan", 0.5, 0.1, 0.1), ("inf", 0.5, 0.1, 0.1), (0.5, 0.5, -1, 0.1), (2, 2, 0.1, 0.1), ("x", "", 0, 0)]
)
def test_nonsense_areas_are_no_boxes(numbers: tuple[float, float, float, float]) -> None:
    found = regions.read(mwg(face("Anna", *numbers)), WIDE)
    assert [region.box for region in found.regions] == [None]
    assert found.names == ("Anna",)


def test_boxes_are_cut_to_the_photo() -> None:
    assert close(regions.read(mwg(face("A", 0.0, 0.5, 0.2, 0.2)), WIDE).regions[0].box, (0, 0.4, 0.1, 0.2))


def test_names_without_boxes() -> None:
    data = packet(
        "<Iptc4xmpExt:PersonInImage><rdf:Bag><rdf:li>Anna</rdf:li><rdf:li> Ben  B. </rdf:li></rdf:Bag>"
        "</Iptc4xmpExt:PersonInImage>"
        "<digiKam:TagsList><rdf:Seq><rdf:li>People</rdf:li><rdf:li>People/Family</rdf:li>"
        "<rdf:li>People/Family/Cleo</rdf:li><rdf:li>People/Unknown</rdf:li><rdf:li>Places/Lake</rdf:li></rdf:Seq>"
        "</digiKam:TagsList>"
        "<lr:hierarchicalSubject><rdf:Bag><rdf:li>people|Dan</rdf:li><rdf:li>Anna|People</rdf:li></rdf:Bag>"
        "</lr:hierarchicalSubject>"
    )
    found = regions.read(data, WIDE)
    assert [(r.name, r.source, r.box) for r in found.regions] == [
        ("Anna", "iptc", None),
        ("Ben B.", "iptc", None),
        ("Cleo", "digikam", None),
        ("Dan", "lightroom", None),
    ]


def test_names_have_one_spelling() -> None:
    data = mwg(face("Zo\u0065\u0308  M\u00fcller&#10;", 0.5, 0.5, 0.1, 0.1), face("x" * 500, 0.5, 0.5, 0.1, 0.1))
    assert regions.read(data, WIDE).names == ("Zo\u00eb M\u00fcller", "x" * 200)


@pytest.mark.parametrize(
    "data",
    [
        b"",
        b"<broken",
        packet(""),
        packet("<mwg-rs:Regions>text</mwg-rs:Regions>"),
        packet("<MP:RegionInfo><rdf:Bag/></MP:RegionInfo>"),
    ],
)
def test_packets_without_persons(data: bytes) -> None:
    assert regions.read(data, WIDE).regions == ()


def test_random_damage_never_raises() -> None:
    generator = np.random.default_rng(5)
    whole = mwg(face("Anna", 0.5, 0.4, 0.2, 0.3), face("Ben", 0.1, 0.1, 0.1, 0.1))
    for _ in range(300):
        data = bytearray(whole)
        for _ in range(2):
            data[int(generator.integers(0, len(data)))] = int(generator.integers(32, 127))
        found = regions.read(bytes(data), View(400, 300, int(generator.integers(1, 9))))
        assert isinstance(found, Labels)
        assert all(0 <= r.box.x <= r.box.x + r.box.w <= 1.000001 for r in found.regions if r.box)
