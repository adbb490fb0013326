"""Choosing who answers a request: which rule fits, in which order its candidates come, and who is left out why.

The choice depends on the rules, the facts and the request's place in its run, on nothing random: a retry or a replay
chooses the same, unless a candidate has become too slow, or nobody can reach it, meanwhile.
"""

import hashlib
import math
from collections.abc import AsyncIterator, Awaitable, Callable
from dataclasses import dataclass, field
from typing import Any

from ripieno.domain.errors import Invalid, NoRoute
from ripieno.domain.jsons import JsonObject
from ripieno.models.catalogue import ModelFacts
from ripieno.models.routing.facts import Facts
from ripieno.models.routing.rules import Compiled, Routing

ANSWER_TOKENS = 1024
"""How long an answer is taken to be where the request does not say."""


TOOLS_SHOWN = 50


@dataclass(frozen=True, slots=True)
class World:
    """What is known about models now, in one tenant.

    `resolve` turns a target that is no route into a model, None where nobody serves it; `stopped` says why a model may
    not be asked. `seconds` is how long it takes lately, and `usd` what it asks for so many tokens.
    """

    resolve: Callable[[str], str | None]
    stopped: Callable[[str], str | None]
    facts: Callable[[str], ModelFacts]
    seconds: Callable[[str], float | None]
    usd: Callable[[str, int, int], Awaitable[float | None]]


@dataclass(frozen=True, slots=True)
class Choice:
    """A candidate in its turn. `model` is what its target stands for; `left_out` says why it is not asked."""

    target: str
    model: str
    rule: str
    left_out: str = ""


@dataclass(frozen=True, slots=True)
class Decision:
    """Who answers a request, in order, and how that came about.

    `rule` is empty where the default answers. `passed_over` are the rules that fit and had nobody to ask.
    """

    version: str
    asked: str
    rule: str
    choices: tuple[Choice, ...]
    passed_over: tuple[str, ...] = ()
    facts: Facts = field(default_factory=dict[str, Any])

    @property
    def models(self) -> tuple[str, ...]:
        """Those to ask, in order."""
        return tuple(dict.fromkeys(choice.model for choice in self.choices if not choice.left_out))

    def shown(self) -> JsonObject:
        """As JSON, for whoever wants to know."""
        left_out = [
            {"model": each.model or each.target, "why": each.left_out} for each in self.choices if each.left_out
        ]
        return {
            "version": self.version,
            "asked": self.asked,
            "rule": self.rule or "default",
            "candidates": list(self.models),
            "left_out": left_out,
            "passed_over": list(self.passed_over),
            "facts": {**self.facts, "tools": list(self.facts.get("tools", ()))[:TOOLS_SHOWN]},
        }


@dataclass(slots=True)
class Choosing:
    """One request held against one version. `place` is where in which run it stands."""

    routing: Routing
    world: World
    facts: Facts
    place: str
    answer_tokens: int = ANSWER_TOKENS
    _passed: list[str] = field(default_factory=list[str])

    async def decide(self) -> Decision | None:
        """Who answers; None where the request names a model and no rule is about it.

        Raises:
            NoRoute: A route was asked for, or a rule fits, and nobody is left to ask; or a condition cannot be told.
        """
        asked = str(self.facts["model"])
        found = await self._by(self.routing.overrides)
        if found is not None:
            return found
        if not self._passed:
            if not self.routing.is_route(asked):
                return self._as_named(asked)
            found = await self._by(self.routing.rules_of(asked))
            if found is not None:
                return found
        return self._default(asked)

    async def dearest(self, sent: int, answered: int) -> float | None:
        """The most that any candidate of a rule that fits may ask; None where a price is missing.

        Ceilings and measurements are not looked at: what they say may be another when the request is sent.

        Raises as `decide`.
        """
        asked = str(self.facts["model"])
        fitting = self._fitting(self.routing.overrides)
        if not fitting or self.routing.is_route(asked):
            fitting += self._fitting(self.routing.rules_of(asked))
        targets = [target for rule in fitting for target in (*(one.model for one in rule.targets), *rule.fallbacks)]
        deeper = [rule for target in targets for rule in self._fitting(self.routing.rules_of(target))]
        targets += [target for rule in deeper for target in (*(one.model for one in rule.targets), *rule.fallbacks)]
        targets += [self.routing.default] if self.routing.default else []
        models = {self.world.resolve(target) for target in targets if not self.routing.is_route(target)}
        if not fitting and not self.routing.is_route(asked):
            models = {self.world.resolve(asked) or asked}
        prices = [await self.world.usd(model, sent, answered) for model in sorted(models - {None}, key=str) if model]
        return None if None in prices else max((price for price in prices if price is not None), default=0.0)

    async def _by(self, rules: tuple[Compiled, ...]) -> Decision | None:
        for rule in self._fitting(rules):
            choices = [choice async for choice in self._choices(rule)]
            decision = self._decision(rule.name, *choices)
            if decision.models:
                return decision
            self._passed.append(f"{rule.name}: {'; '.join(f'{each.target} {each.left_out}' for each in choices)}")
        return None

    def _fitting(self, rules: tuple[Compiled, ...]) -> list[Compiled]:
        return [rule for rule in rules if self._holds(rule)]

    def _holds(self, rule: Compiled) -> bool:
        try:
            return rule.holds(self.facts)
        except Invalid as error:
            raise NoRoute(f"{rule.name} of routing {self.routing.version} cannot be told: {error.detail}") from None

    async def _choices(self, rule: Compiled) -> AsyncIterator[Choice]:
        for target in (*self._in_turn(rule), *rule.fallbacks):
            if not self.routing.is_route(target):
                yield await self._choice(target, rule, rule)
                continue
            inner = self._fitting(self.routing.rules_of(target))
            if not inner:
                yield Choice(target, "", rule.name, "has no rule that fits")
            for each in inner:
                found = [await self._choice(model, rule, each) for model in (*self._in_turn(each), *each.fallbacks)]
                for choice in found:
                    yield choice
                if not all(choice.left_out for choice in found):
                    break

    def _in_turn(self, rule: Compiled) -> list[str]:
        """The candidates by weight: who has the shortest time to wait in a race of exponential clocks comes first."""
        if len(rule.targets) == 1:
            return [rule.targets[0].model]
        waits = [(-math.log(share(self.place, rule.name, one.model)) / one.weight, one.model) for one in rule.targets]
        return [model for _, model in sorted(waits)]

    async def _choice(self, target: str, outer: Compiled, inner: Compiled) -> Choice:
        name = outer.name if outer is inner else f"{outer.name} / {inner.name}"
        model = self.world.resolve(target)
        if model is None:
            return Choice(target, "", name, "is no route, model or provider that there is")
        why = self.world.stopped(model) or self._unable(model) or await self._beyond(model, outer, inner)
        return Choice(target, model, name, why or "")

    def _unable(self, model: str) -> str | None:
        facts = self.world.facts(model)
        if facts.tools is False and self.facts["tools"]:
            return "cannot call tools"
        if facts.context_window is not None and self.facts["tokens"] > facts.context_window:
            return f"takes {facts.context_window} tokens, and about {self.facts['tokens']} are sent"
        missing = set(self.facts["modalities"]) - set(facts.modalities or self.facts["modalities"])
        return f"does not understand {', '.join(sorted(missing))}" if missing else None

    async def _beyond(self, model: str, *rules: Compiled) -> str | None:
        seconds = self.world.seconds(model)
        for most in (rule.max_seconds for rule in rules if rule.max_seconds is not None):
            if seconds is not None and seconds > most:
                return f"takes {seconds:.3g} s lately, and {most:g} are allowed"
        ceiling = min((rule.max_usd for rule in rules if rule.max_usd is not None), default=None)
        if ceiling is None:
            return None
        usd = await self.world.usd(model, int(self.facts["tokens"]), self.answer_tokens)
        if usd is None:
            return "has no known price, and there is a ceiling"
        return f"may cost {usd:.3g} USD, and {ceiling:g} are allowed" if usd > ceiling else None

    def _as_named(self, asked: str) -> Decision | None:
        model = self.world.resolve(asked)
        if model == asked or ":" in asked:
            return None
        if model is None:
            if self.routing.default is not None:
                return self._default(asked)
            raise NoRoute(f"{asked!r} is no route, model or provider that there is")
        return self._decision("provider", Choice(asked, model, "provider"))

    def _decision(self, rule: str, *choices: Choice) -> Decision:
        asked = str(self.facts["model"])
        return Decision(self.routing.version, asked, rule, choices, tuple(self._passed), self.facts)

    def _default(self, asked: str) -> Decision:
        target = self.routing.default
        model = self.world.resolve(target) if target is not None else None
        if target is not None and model is not None:
            why = self.world.stopped(model) or self._unable(model)
            if why is None:
                return self._decision("", Choice(target, model, ""))
            self._passed.append(f"default: {model} {why}")
        told = f": {' | '.join(self._passed)}" if self._passed else ", and there is no default"
        raise NoRoute(f"no rule of routing {self.routing.version or '(none)'} has a model for {asked!r}{told}")


def share(*names: str) -> float:
    """A number over 0 and up to 1 that belongs to these names."""
    digest = hashlib.sha256("\0".join(names).encode()).digest()
    return (int.from_bytes(digest[:8], "big") + 1) / 2**64
