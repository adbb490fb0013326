"""How the documents are built: `make docs`. Nothing here goes to the network."""

from pygments.lexers.special import TextLexer
from sphinx.application import Sphinx

project = "Ripieno"
author = "The Ripieno authors"
copyright = "The Ripieno authors"

extensions = ["myst_parser"]
exclude_patterns = ["_build"]
myst_heading_anchors = 3

html_theme = "furo"
html_title = "Ripieno"
html_show_sphinx = False


def setup(app: Sphinx) -> None:
    """Show Mermaid diagrams as their source: a picture would need a script from elsewhere."""
    app.add_lexer("mermaid", TextLexer)
