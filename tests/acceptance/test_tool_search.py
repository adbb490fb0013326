"""Words find the right ones of GitHub's 1,200 operations, as GitHub describes them."""

from collections.abc import Sequence

import pytest

from ripieno.domain.effects import EffectClass
from ripieno.domain.tools import ToolSpec
from ripieno.engine.core.ranking import ranked
from ripieno.tools.openapi.documents import load
from ripieno.tools.openapi.reading import read
from tests.servers.npm_packages import npm_package

QUERIES = {
    "create an issue": {"issues/create"},
    "comment on an issue": {"issues/create-comment"},
    "close an issue": {"issues/update"},
    "list open pull requests of a repository": {"pulls/list"},
    "merge a pull request": {"pulls/merge"},
    "request a review on a pull request": {"pulls/request-reviewers"},
    "approve a pull request": {"pulls/create-review", "pulls/submit-review"},
    "files changed in a pull request": {"pulls/list-files"},
    "star a repository": {"activity/star-repo-for-authenticated-user"},
    "fork a repository": {"repos/create-fork"},
    "delete a repository": {"repos/delete"},
    "create a new repository in an organization": {"repos/create-in-org"},
    "read the README": {"repos/get-readme"},
    "get the contents of a file": {"repos/get-content"},
    "create or update a file": {"repos/create-or-update-file-contents"},
    "list branches": {"repos/list-branches"},
    "protect a branch": {"repos/update-branch-protection"},
    "rename a branch": {"repos/rename-branch"},
    "compare two commits": {"repos/compare-commits", "repos/compare-commits-with-basehead"},
    "list commits": {"repos/list-commits"},
    "publish a release": {"repos/create-release"},
    "latest release": {"repos/get-latest-release"},
    "upload a release asset": {"repos/upload-release-asset"},
    "add a collaborator to a repository": {"repos/add-collaborator"},
    "invite somebody to an organization": {"orgs/create-invitation"},
    "members of a team": {"teams/list-members-in-org", "teams/list-members-legacy"},
    "remove a member from an organization": {"orgs/remove-member", "orgs/remove-membership-for-user"},
    "trigger a workflow": {"actions/create-workflow-dispatch"},
    "cancel a workflow run": {"actions/cancel-workflow-run"},
    "re-run failed jobs": {"actions/re-run-workflow-failed-jobs"},
    "download the logs of a workflow run": {"actions/download-workflow-run-logs"},
    "set a secret for actions": {"actions/create-or-update-repo-secret", "actions/create-or-update-org-secret"},
    "search code": {"search/code"},
    "search for users": {"search/users"},
    "who am I": {"users/get-authenticated"},
    "add labels to an issue": {"issues/add-labels"},
    "create a milestone": {"issues/create-milestone"},
    "assign somebody to an issue": {"issues/add-assignees"},
    "lock a conversation": {"issues/lock"},
    "list dependabot alerts": {"dependabot/list-alerts-for-repo", "dependabot/list-alerts-for-org"},
    "create a webhook": {"repos/create-webhook", "orgs/create-webhook"},
    "create a gist": {"gists/create"},
    "follow a user": {"users/follow"},
    "mark notifications as read": {"activity/mark-notifications-as-read"},
    "how much of my rate limit is left": {"rate-limit/get"},
}
"""What a person would say, and the operations that would do."""

ENOUGH = 0.8


@pytest.fixture(scope="module")
def github() -> Sequence[tuple[str, ToolSpec]]:
    package = npm_package("@octokit/openapi", "23.0.2") / "node_modules" / "@octokit" / "openapi"
    document = load((package / "generated" / "api.github.com.json").read_bytes())
    return [
        (one.operation_id, ToolSpec(f"github.{one.name}", one.summary, one.input_schema, effect=EffectClass.READ))
        for one in read(document, "github").operations
    ]


@pytest.mark.needs("npm")
def test_what_people_say_finds_the_operation_among_the_first_five(github: Sequence[tuple[str, ToolSpec]]):
    ids = {spec.name: operation_id for operation_id, spec in github}
    specs = [spec for _, spec in github]
    found = {query: [ids[spec.name] for spec, _ in ranked(query, specs, 5)] for query in QUERIES}
    missed = {query: found[query] for query, wanted in QUERIES.items() if not wanted & set(found[query])}
    hits = 1 - len(missed) / len(QUERIES)
    assert len(specs) > 1000
    assert hits >= ENOUGH, f"{hits:.2f} of {len(QUERIES)} among {len(specs)} operations; missed {missed}"
