"""What tests read in HTML: parsed, never matched as text."""

from __future__ import annotations

from bs4 import BeautifulSoup, Tag

HARMLESS = frozenset(
    (
        *("b", "bdi", "br", "button", "details", "div", "h4", "h5", "i", "input", "li", "nav", "ol"),
        *("p", "section", "small", "span", "style", "summary", "time", "ul"),
    )
)
"""All the elements that our templates have."""
ATTRIBUTES = frozenset(
    (
        *("aria-label", "autocomplete", "class", "data-ask", "data-back", "data-forget", "data-keep", "data-key"),
        *(
            "data-lm-suppress-shortcuts",
            "data-offset",
            "data-show",
            "dir",
            "hidden",
            "maxlength",
            "open",
            "placeholder",
            "role",
        ),
        *("spellcheck", "style", "tabindex", "title", "type"),
    )
)


def parsed(html: str) -> BeautifulSoup:
    return BeautifulSoup(html, "html.parser")


def words(thing: Tag) -> str:
    """The text of an element, white space collapsed, style sheets aside."""
    for style in thing.find_all("style"):
        style.extract()
    return " ".join(thing.get_text(" ").split())


def section(html: str, title: str) -> Tag:
    """The tier with this heading."""
    found = [each for each in parsed(html).find_all("section") if each.h4.get_text().startswith(title)]
    assert len(found) == 1
    return found[0]


def strangers(html: str) -> list[str]:
    """Elements and attributes that no template of ours makes: what stored text would have smuggled in."""
    tags = parsed(html).find_all(True)
    elements = [tag.name for tag in tags if tag.name not in HARMLESS]
    return elements + [name for tag in tags for name in tag.attrs if name not in ATTRIBUTES]
