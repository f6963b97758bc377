# SPDX-License-Identifier: GPL-2.0
"""Sphinx: "make htmldocs" writes these documents as HTML into build/html.

The documents are to be read as text first. So they name each other and the manual
pages as they would in a terminal, and what follows makes links of that.
"""

import glob
import os
import re
import subprocess

from docutils import nodes
from sphinx.transforms.post_transforms import SphinxPostTransform
from sphinx.util.nodes import make_refnode

HERE = os.path.dirname(os.path.abspath(__file__))
TOP = os.path.dirname(HERE)
PAGES = {os.path.basename(p): p for where in ("tools/*", "tools/*/*", "Documentation/man/*")
         for p in glob.glob(os.path.join(TOP, where + ".[1-8]"))}

project = "lnkfs"
root_doc = "index"
exclude_patterns = ["man"]
highlight_language = "none"
html_theme = "alabaster"
html_theme_options = {"page_width": "1180px", "description": "A filesystem for people with links"}
html_sidebars = {"**": ["about.html", "navigation.html", "searchbox.html"]}
html_copy_source = False
html_show_copyright = False
smartquotes = False
linkcheck_timeout = 30


class Names(SphinxPostTransform):
    """``links.rst`` leads to that document, ``mkfs.lnkfs(8)`` to its manual page."""

    default_priority = 500
    formats = ("html",)

    def run(self, **kwargs):
        for node in list(self.document.findall(nodes.literal)):
            text = node.astext()
            page = re.fullmatch(r"([\w.-]+)\((\d)\)", text)
            inner = nodes.literal("", text, classes=["xref"])
            if text.endswith(".rst") and text[:-4] in self.env.found_docs:
                link = make_refnode(self.app.builder, self.env.docname, text[:-4], None, inner)
            elif page and "%s.%s" % page.groups() in PAGES:
                link = nodes.reference("", "", inner, internal=True,
                                       refuri="man/%s.%s.html" % page.groups())
            else:
                continue
            if not isinstance(node.parent, nodes.reference):
                node.replace_self(link)


def manual_pages(app, failure):
    if failure or app.builder.name != "html":
        return
    where = os.path.join(app.outdir, "man")
    os.makedirs(where, exist_ok=True)
    for name, path in PAGES.items():
        with open(os.path.join(where, name + ".html"), "wb") as f:
            subprocess.run(["mandoc", "-T", "html", path], stdout=f, check=True)


def setup(app):
    app.add_post_transform(Names)
    app.connect("build-finished", manual_pages)
    return {"parallel_read_safe": True, "parallel_write_safe": True}
