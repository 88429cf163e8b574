"""foresee: judges on the tip what a person will be asked about, so that the gravest finding is told at once.

An entry that intake sets aside is not staged; without this it could be released for one reason and refused for a worse
one, which only the tree shows: a link of the base that leads out, a whole `.gitmodules`, a copied secret.
"""

from collections.abc import Sequence

from uet_git.model.reasons import REASONS, Gravity
from uet_git.model.records import Conflict, Finding, Oid
from uet_git.project import Project
from uet_git.queue.collect import Part
from uet_git.queue.options import Options
from uet_git.queue.stage import Stager


def foresee(project: Project, parts: Sequence[Part], options: Options) -> None:
    """Adds to the findings of each part that is to be set aside those that the tip's tree gives. Records nothing.

    A later member of a series stands on those before it, so nothing is said of it here.
    """
    alone = parts if options.independent else parts[:1]
    held = [p for p in alone if p.known is None and p.judged.patch.changes and _is_held(p)]
    if not held:
        return
    tip = project.tip(options.target)
    stager, tree = Stager(project, project.settings_at(tip)), project.tip_tree(tip)
    for part in held:
        told = part.judged.findings
        known = {(f.code, f.path) for f in told}
        more = [f for f in _on_tip(stager, tree, part, options) if (f.code, f.path) not in known]
        part.judged = part.judged._replace(findings=(*told, *dict.fromkeys(more)))


def _is_held(part: Part) -> bool:
    code = part.judged.reason
    return code is not None and REASONS[code].gravity == Gravity.QUARANTINED


def _on_tip(stager: Stager, tree: Oid, part: Part, options: Options) -> Sequence[Finding]:
    """What the two judges find in what would change; of a patch that does not fit, only the links in its way."""
    from uet_git.plumbing import fallback

    judged, objects = part.judged, stager.project.objects
    mark = objects.begin()
    try:
        result = fallback.candidate(stager.composer, tree, judged.patch, judged.mail.diff)
        if isinstance(result, Conflict):
            return stager.through_links(tree, judged.patch)
        safety = stager.safety(tree, result)
        given = options.given(judged.mail.message)
        return [*safety, *stager.judge.staged(judged.patch, given, result, safety, tree=tree)]
    finally:
        objects.discard(mark)
