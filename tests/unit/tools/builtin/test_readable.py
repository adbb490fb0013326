from ripieno.tools.builtin import readable

PAGE = """<!doctype html><html><head><title> The  shop </title><style>p {color: red}</style>
<script>alert("x")</script></head><body><h1>Prices</h1><p>Tea is <b>3</b> &euro;.<p>Coffee<br>is not.
<ul><li>one<li>two</ul><script>evil()</script><table><tr><td>a<td>b</tr></table>
<a href="https://example.org/x">more</a> <a href="javascript:evil()">no</a> <svg><title>icon</title></svg></body>"""


def test_what_a_reader_sees():
    page = readable.read(PAGE)
    assert page.title == "The shop"
    assert page.links == ("https://example.org/x",)
    assert page.text.splitlines() == [
        "# Prices",
        "",
        "Tea is 3 €.",
        "",
        "Coffee",
        "is not.",
        "",
        "- one",
        "- two",
        "",
        "| a | b",
        "",
        "more no",
    ]


def test_broken_html_gives_what_there_is():
    assert readable.read("<p>half <b>bold</i> <td").text.startswith("half bold")
    assert readable.read("<head><title>t</title><body>text").text == "text"
    assert readable.read("plain").text == "plain"
    assert readable.read("").text == ""
    assert readable.read("<div>" * 5000 + "deep").text == "deep"


def test_links_are_bounded():
    page = readable.read('<a href="/x">x</a>' * 500)
    assert len(page.links) == readable.MOST_LINKS
