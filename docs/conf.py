"""Configuration of the documentation site: `make docs`."""

from __future__ import annotations

import vgmae_bench

project = "vgmae-bench"
author = "The vgmae-bench authors"
version = release = vgmae_bench.__version__

extensions = ["myst_parser", "sphinx.ext.autodoc", "sphinx.ext.napoleon", "sphinx.ext.viewcode"]
exclude_patterns = ["_build"]
nitpicky = False
suppress_warnings = ["myst.xref_missing"]  # some links lead to files of the repository that are no pages

myst_enable_extensions = ["colon_fence"]
myst_heading_anchors = 3

html_theme = "furo"
html_title = "vgmae-bench"

autodoc_typehints = "signature"
autodoc_preserve_defaults = True  # defaults as the code has them, not their repr
autodoc_member_order = "bysource"
napoleon_google_docstring = True
napoleon_numpy_docstring = False
napoleon_use_ivar = True  # the docstring of a class describes its attributes
