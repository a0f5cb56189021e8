"""Pages as tests look at them: elements, attributes, words, and the forms they send."""

from __future__ import annotations

from html.parser import HTMLParser

from typing_extensions import override


class Page(HTMLParser):
    """Elements and attributes of a page, and its text."""

    def __init__(self, text: str) -> None:
        """Read a page."""
        super().__init__()
        self.tags: list[str] = []
        self.attributes: list[tuple[str, str]] = []
        self.words: list[str] = []
        self.elements: list[tuple[str, dict[str, str]]] = []
        self.feed(text)

    @override
    def handle_starttag(self, tag: str, attrs: list[tuple[str, str | None]]) -> None:
        self.tags.append(tag)
        self.attributes += [(name, value or "") for name, value in attrs]
        self.elements.append((tag, {name: value or "" for name, value in attrs}))

    @override
    def handle_data(self, data: str) -> None:
        self.words.append(data)

    @property
    def text(self) -> str:
        """Return the text, each run of space as one."""
        return " ".join(" ".join(self.words).split())

    def all(self, tag: str) -> list[dict[str, str]]:
        """Return the attributes of each element of that kind."""
        return [attributes for name, attributes in self.elements if name == tag]

    def form(self, action: str, detail: str | None = None) -> dict[str, str]:
        """Return what the form for an action of the dashboard sends, the first or that detail's.

        Raises:
            LookupError: There is none.
        """
        sent: dict[str, str] = {}
        for tag, values in [*self.elements, ("form", {})]:
            if tag == "form":
                if sent.get("action") == action and detail in (None, sent.get("detail")):
                    return sent
                sent = {}
            elif tag == "input" and "name" in values:
                sent[values["name"]] = values.get("value", "")
        raise LookupError(action)
