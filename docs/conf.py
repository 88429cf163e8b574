"""How `make docs` builds the pages: the Markdown of this folder, with the form of furo."""

import sys
from pathlib import Path

sys.path.insert(0, str(Path(__file__).resolve().parent.parent))

from uet_git import __version__

project = "uet-git"
author = "the uet-git contributors"
release = version = __version__
extensions = ["myst_parser"]
html_theme = "furo"
html_title = f"uet-git {__version__}"
html_show_sphinx = False
html_show_copyright = False
html_copy_source = False
exclude_patterns = ["_build"]
myst_heading_anchors = 3
suppress_warnings = ["misc.highlighting_failure"]  # output beside commands is in no language
nitpicky = True
