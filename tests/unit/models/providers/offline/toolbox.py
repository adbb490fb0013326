"""Tools and questions that the tests of the offline model share: the builtin tools as an agent sees them."""

from collections.abc import Sequence

from ripieno.domain.effects import EffectClass
from ripieno.domain.jsons import JsonObject
from ripieno.domain.messages import AssistantMessage, Message, ModelRequest, Reply, ToolMessage, UserMessage
from ripieno.domain.tools import ToolSpec
from ripieno.models.providers.offline.model import respond

TEXT: JsonObject = {"type": "string"}
WHOLE: JsonObject = {"type": "integer", "minimum": 1}
PORT: JsonObject = {"type": "integer", "minimum": 1, "maximum": 65535}


def tool(
    name: str,
    description: str,
    keywords: str = "",
    must: JsonObject | None = None,
    may: JsonObject | None = None,
    effect: EffectClass = EffectClass.READ,
) -> ToolSpec:
    schema: JsonObject = {"type": "object", "properties": {**(must or {}), **(may or {})}, "required": list(must or {})}
    return ToolSpec(name, description, schema, effect=effect, keywords=tuple(filter(None, keywords.split(","))))


TOOLS = (
    tool("math.calculate", "Evaluate an arithmetic expression.", "calculate,sum,compute", {"expression": TEXT}),
    tool("time.now", "Tell the current date and time.", "time,date,clock,timezone", None, {"timezone": TEXT}),
    tool("web.fetch", "Fetch a web page and return its text.", "web,page,site,download", {"url": TEXT}),
    tool("system.cpu", "Show the load and usage of the processors.", "cpu,load,processor,machine"),
    tool("system.memory", "Show how much memory and swap is used.", "memory,ram,swap,machine"),
    tool("system.disk", "Show how full each mounted file system is.", "disk,space,full,storage,machine"),
    tool(
        "system.processes",
        "List the processes that use most of the machine.",
        "process,pid,running",
        None,
        {"sort": {"enum": ["cpu", "memory"]}, "limit": WHOLE},
    ),
    tool("system.uptime", "Tell since when the machine has been running.", "uptime,boot,how long,machine"),
    tool(
        "net.ping",
        "Ping a host and report loss and round trip time.",
        "ping,latency,reachable",
        {"host": TEXT},
        {"count": WHOLE},
    ),
    tool(
        "net.dns",
        "Resolve a host name with DNS.",
        "dns,resolve,lookup,record,nameserver",
        {"name": TEXT},
        {"type": {"enum": ["A", "AAAA", "MX", "TXT", "NS"], "default": "A"}},
    ),
    tool(
        "net.port",
        "Check whether a TCP port of a host is open.",
        "port,tcp,open,listening",
        {"host": TEXT, "port": PORT},
    ),
    tool("net.traceroute", "Show the route that packets take to a host.", "traceroute,route,hops", {"host": TEXT}),
    tool(
        "net.tls",
        "Check the TLS certificate of a host.",
        "tls,ssl,certificate,expiry,expire",
        {"host": TEXT},
        {"port": PORT},
    ),
    tool(
        "logs.search",
        "Search the system journal or a log file for a pattern.",
        "log,journal,syslog,grep",
        None,
        {"path": TEXT, "pattern": TEXT, "since": TEXT},
    ),
    tool(
        "logs.errors",
        "Group the errors in the system journal or a log file.",
        "log,error,failure,exception",
        None,
        {"path": TEXT},
    ),
    tool(
        "git.facts",
        "Tell the facts of a git repository: branch, commits, changes.",
        "git,commit,branch,checkout,repository",
        None,
        {"path": TEXT},
    ),
    tool(
        "code.review",
        "Review Python code with ruff and bandit.",
        "code,review,lint,security,python,checkout",
        {"path": TEXT},
    ),
    tool(
        "files.write",
        "Write a file in the workspace.",
        "write,save,store",
        {"path": TEXT, "content": TEXT},
        effect=EffectClass.IDEMPOTENT,
    ),
    tool("files.read", "Read a file of the workspace.", "read,open,contents", {"path": TEXT}),
    tool("files.list", "List the files in a folder of the workspace.", "list,folder,directory", None, {"path": TEXT}),
)


def ask(goal: str, *after: Message, tools: Sequence[ToolSpec] = TOOLS, **more: object) -> Reply:
    """One turn of the offline model."""
    data = more.pop("data", None)
    first = UserMessage(goal, data)  # pyright: ignore[reportArgumentType]
    request = ModelRequest("offline", (first, *after), tuple(tools), **more)  # pyright: ignore[reportArgumentType]
    return respond(request)


def wished(goal: str, tools: Sequence[ToolSpec] = TOOLS, **more: object) -> list[tuple[str, JsonObject]]:
    """The calls that a goal leads to, by name."""
    return sorted(((call.name, call.arguments) for call in ask(goal, tools=tools, **more).tool_calls), key=str)


def returned(reply: Reply, *texts: str, turn: int = 1, error: bool = False) -> list[Message]:
    """The messages that follow a reply with calls: it, and one result for each call."""
    results = [
        ToolMessage(call.id, call.name, text, evidence_id=f"t{turn}c{index}", is_error=error)
        for index, (call, text) in enumerate(zip(reply.tool_calls, texts, strict=True))
    ]
    return [AssistantMessage(reply.text, reply.tool_calls), *results]
