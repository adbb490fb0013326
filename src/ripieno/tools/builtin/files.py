"""The toolset `files`: the run's workspace, and nothing outside it."""

from ripieno.domain.effects import EffectClass
from ripieno.domain.tools import Risk, ToolContext, ToolResult
from ripieno.tools.builtin import folders
from ripieno.tools.builtin.wording import counted, report, size
from ripieno.tools.failures import ToolFailed
from ripieno.tools.functions import tool


@tool(
    effect=EffectClass.IDEMPOTENT,
    risk=Risk.HIGH,
    timeout=30,
    keywords=("write", "save", "write file", "save file", "create file", "store"),
)
def write(path: str, content: str, context: ToolContext) -> ToolResult:
    """Write a text file into the workspace, replacing what is there.

    Args:
        path: Where, relative to the workspace, for example `report.md`.
        content: The whole text of the file.
        context: Whose workspace.
    """
    encoded = content.encode("utf-8", "replace")
    what = f"{'/'.join(folders.parts(path))} ({size(len(encoded))}, {counted(len(content.splitlines()), 'line')})"
    data = {"path": path, "bytes": len(encoded)}
    if context.dry_run:
        return report([f"would write {what}"], {**data, "written": False})
    written = folders.write(context.workspace, path, encoded)
    return report([f"wrote {what}" if written else f"{what} has this content already"], {**data, "written": written})


@tool(effect=EffectClass.READ, timeout=30, keywords=("read file", "open file", "show file", "contents"))
def read(path: str, context: ToolContext) -> ToolResult:
    """Read a text file of the workspace.

    Args:
        path: Which, relative to the workspace.
        context: Whose workspace.
    """
    content, total = folders.read(context.workspace, path)
    if b"\0" in content:
        raise ToolFailed(f"{path} is not a text file.")
    text = content.decode("utf-8", "replace")
    note = f"(the first {size(len(content))} of {size(total)})" if total > len(content) else ""
    return report([note, text] if text else [f"{path} is empty"], {"path": path, "bytes": total})


@tool(name="list", effect=EffectClass.READ, timeout=30, keywords=("list files", "workspace", "folder contents"))
def list_files(context: ToolContext, path: str = "") -> ToolResult:
    """List the files in the workspace.

    Args:
        path: A folder in it; the whole workspace when left out.
        context: Whose workspace.
    """
    found = folders.listing(context.workspace, path)
    if not found:
        return report(["the folder is empty" if path else "the workspace is empty"], {"files": []})
    lines = [f"{item.path} ({size(item.size) if item.kind == 'file' else item.kind})" for item in found]
    more = f"only the first {folders.MOST_LISTED} are listed" if len(found) == folders.MOST_LISTED else ""
    data = [{"path": item.path, "kind": item.kind, "bytes": item.size} for item in found]
    return report([*lines, more], {"files": data})
