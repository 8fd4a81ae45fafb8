"""Reading XML from somebody who may mean harm."""

import tracemalloc
from contextlib import suppress
from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import strategies as st

from frontdesk.vendors import xml

BILLION_LAUGHS = (
    '<!DOCTYPE a [<!ENTITY l0 "ha">'
    + "".join(f'<!ENTITY l{n} "{f"&l{n - 1};" * 10}">' for n in range(1, 10))
    + "]><a>&l9;</a>"
)


@pytest.mark.parametrize(
    "document",
    [
        BILLION_LAUGHS,
        '<!DOCTYPE a [<!ENTITY b "' + "x" * 50_000 + '">]><a>' + "&b;" * 1_000 + "</a>",
        '<!DOCTYPE a SYSTEM "http://127.0.0.1:1/a.dtd"><a/>',
        '<!DOCTYPE a PUBLIC "-//A//B//EN" "http://127.0.0.1:1/a.dtd"><a/>',
        '<!DOCTYPE a [<!ENTITY % p SYSTEM "http://127.0.0.1:1/p">%p;]><a/>',
        "<!DOCTYPE a><a/>",
        "<a>&undeclared;</a>",
    ],
)
def test_a_document_type_and_its_entities_are_refused(document: str) -> None:
    with pytest.raises(xml.NotXmlError):
        xml.parse(document.encode())


def test_no_file_is_read_into_a_document(tmp_path: Path) -> None:
    secret = tmp_path / "secret"
    secret.write_text("open sesame")
    for document in (
        f'<!DOCTYPE a [<!ENTITY x SYSTEM "{secret.as_uri()}">]><a>&x;</a>',
        f'<!DOCTYPE a [<!ENTITY x SYSTEM "{secret}">]><a>&x;</a>',
    ):
        with pytest.raises(xml.NotXmlError) as caught:
            xml.parse(document.encode())
        assert "open sesame" not in str(caught.value)
    # XInclude is a vocabulary like any other here.
    include = f'<a><i:include xmlns:i="http://www.w3.org/2001/XInclude" href="{secret}"/></a>'
    root = xml.parse(include.encode())
    assert "open sesame" not in "".join(root.itertext())


def test_depth_is_bounded() -> None:
    def nested(levels: int) -> bytes:
        return b"<a>" * levels + b"</a>" * levels

    assert xml.parse(nested(xml.DEEPEST)) is not None
    for levels in (xml.DEEPEST + 1, 10_000, 1_000_000):
        with pytest.raises(xml.NotXmlError, match="deeper"):
            xml.parse(nested(levels))


def test_attributes_elements_and_size_are_bounded() -> None:
    attributes = b" ".join(b'a%d="x"' % number for number in range(100_000))
    with pytest.raises(xml.NotXmlError, match="attributes"):
        xml.parse(b"<a " + attributes + b"/>")
    with pytest.raises(xml.NotXmlError, match="elements"):
        xml.parse(b"<a>" + b"<b/>" * (xml.MOST_ELEMENTS + 1) + b"</a>")
    with pytest.raises(xml.NotXmlError, match="larger"):
        xml.parse(b"<a>" + b"x" * xml.LARGEST_DOCUMENT + b"</a>")


def test_a_document_beyond_the_bounds_is_not_built_first() -> None:
    # In an encoding where no byte looks like a bracket, too.
    document = b'<?xml version="1.0" encoding="cp037"?>' + ("<a>" * 300_000).encode("cp037")
    tracemalloc.start()
    try:
        with pytest.raises(xml.NotXmlError):
            xml.parse(document)
        assert tracemalloc.get_traced_memory()[1] < 20_000_000
    finally:
        tracemalloc.stop()


@given(st.binary(max_size=200) | st.text(max_size=200).map(lambda text: f"<a>{text}</a>".encode()))
def test_any_bytes_are_a_document_or_refused(body: bytes) -> None:
    with suppress(xml.NotXmlError):
        assert xml.parse(body).tag
