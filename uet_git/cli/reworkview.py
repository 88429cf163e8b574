"""Shows what is needed to mend a patch: Markdown for people and agents, or the document itself."""

from uet_git.cli.render import Output
from uet_git.model import rework_page
from uet_git.model.entry import Entry
from uet_git.project import Project
from uet_git.queue import rework


def show(out: Output, project: Project, entry: Entry) -> int:
    """The packet of one entry (rework.v1)."""
    document = rework.packet(project, entry)
    out.document(document)
    if not out.as_json:
        for line in rework_page.markdown(document).removesuffix("\n").split("\n"):
            out.text(line)
    return 0
