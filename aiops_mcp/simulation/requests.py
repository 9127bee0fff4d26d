"""What one simulated request does: the spans of its trace, in every cluster it comes through.

A function of the seed and the request's number; whether and where it fails, and how long it takes,
is drawn from what the metrics say of that moment. It must not know how spans are stored or served.
"""

from collections.abc import Mapping
from dataclasses import dataclass, field
from random import Random

from aiops_mcp.simulation.noise import key_of
from aiops_mcp.simulation.request_ids import started_at, trace_id_of
from aiops_mcp.simulation.service_calls import REMOTE_SECONDS, Call, ClusterServices, Plan, Variant
from aiops_mcp.simulation.span_making import (
    FAILED,
    FINE,
    MISSING,
    Frame,
    Trouble,
    client_span,
    exception,
    fail,
    host_of,
    query_span,
    server_span,
)
from aiops_mcp.simulation.spans import Process, Span, SpanSet, Status

_NS = 1_000_000_000
_NOT_FOUND = 0.004
_LONGEST_PACE = 8.0
_EXPLAINED = 0.3


@dataclass(slots=True)
class _Run:
    """One request under way: its dice, how slow this one is, and the spans so far."""

    dice: Random
    moment: float
    pace: float
    spans: list[Span] = field(default_factory=list[Span])

    def span_id(self) -> str:
        return f"{self.dice.getrandbits(64) | 1:016x}"

    def seconds(self, usual: float) -> float:
        """How long something takes this time that usually takes ``usual`` seconds."""
        return usual * self.pace * (0.75 + 0.5 * self.dice.random())


@dataclass(frozen=True, slots=True)
class _Serving:
    """A service at work on a request; ``chance`` is how likely it was to fail, ``blamed`` for whom.

    ``weights`` is how likely each of its calls fails, by what is known of this very request;
    ``extra`` are the seconds that it takes longer than its callees explain.
    """

    home: ClusterServices
    service: str
    variant: Variant
    plan: Plan
    process: Process
    span_id: str
    chance: float
    weights: Mapping[str, float]
    fails: bool
    blamed: str | None
    extra: float


class Requests:
    """The requests of a fleet's front doors; ``services`` are all clusters' by name."""

    def __init__(self, seed: int, services: Mapping[str, ClusterServices]) -> None:
        self._seed = seed
        self._services = services

    def reach(self, cluster: str, door: str) -> frozenset[str]:
        """The clusters that any request of a front door may come through."""
        reached = {cluster}
        waiting = list(self._services[cluster].variants(door))
        while waiting:
            for call in waiting.pop().calls:
                reached.add(call.cluster)
                there = self._services[call.cluster]
                if there.database(call.callee) is None:
                    waiting.extend(there.variants(call.callee))
        return frozenset(reached)

    def visits(self, cluster: str, door: str, number: int) -> frozenset[str]:
        """The clusters that a request may come through, told without working out what it does."""
        run, variant = self._begun(cluster, door, number)
        reached = {cluster}
        self._reach(run, variant, reached)
        return frozenset(reached)

    def _reach(self, run: _Run, variant: Variant, reached: set[str]) -> None:
        for call in variant.calls:
            reached.add(call.cluster)
            there = self._services[call.cluster]
            if there.database(call.callee) is None:
                kinds = there.variants(call.callee)
                self._reach(run, _abroad(kinds, run, kinds[-1]), reached)

    def spans(self, cluster: str, door: str, number: int) -> SpanSet:
        """Every span of a request, parents before their children."""
        run, variant = self._begun(cluster, door, number)
        self._serve(run, self._services[cluster], door, variant, round(run.moment * _NS), "", None)
        return SpanSet(trace_id_of(self._seed, cluster, door, number), "", tuple(run.spans))

    def _begun(self, cluster: str, door: str, number: int) -> tuple[_Run, Variant]:
        dice = Random(key_of("request", self._seed, cluster, door, number))
        moment = started_at(self._seed, cluster, door, number)
        variant = _drawn(self._services[cluster].variants(door), dice.random())
        pace = min(dice.lognormvariate(0.0, 0.6), _LONGEST_PACE)
        return _Run(dice, moment, pace), variant

    # --- a service answers ----------------------------------------------------------------

    def _serve(
        self,
        run: _Run,
        home: ClusterServices,
        service: str,
        variant: Variant,
        at: int,
        parent: str,
        failing: bool | None,
    ) -> tuple[int, bool]:
        """Answer a request that arrives ``at``; when it is done and whether it failed."""
        hosts = home.processes(service, run.moment)
        if not hosts:  # a front door that is down: who knocked keeps no spans
            return at, True
        dice = run.dice
        process = hosts[dice.randrange(len(hosts))]
        serving = self._taken_on(run, home, service, variant, process, failing)
        position = len(run.spans)
        own = run.seconds(home.own_seconds(service))
        own += 0.0 if serving.blamed else serving.extra
        ended, upstream = self._calls(run, serving, at + int(own * 0.4 * _NS))
        end = ended + int(own * 0.6 * _NS)
        missing = not parent and not serving.fails and dice.random() < _NOT_FOUND
        code = FAILED if serving.fails else MISSING if missing else FINE
        frame = Frame(home, process, serving.span_id, parent, at, end)
        span = server_span(frame, service, variant, dice, code)
        if serving.fails:
            _explain(run, serving, span, upstream)
        run.spans.insert(position, span)
        return end, serving.fails

    def _taken_on(
        self,
        run: _Run,
        home: ClusterServices,
        service: str,
        variant: Variant,
        process: Process,
        failing: bool | None,
    ) -> _Serving:
        plan = home.plan(service, run.moment)
        place = home.variants(service).index(variant)
        weights = {
            call.peer: min(1.0, plan.weights[call.peer] * self._tilt(run, call))
            for call in variant.calls
        }
        chance = _tilted(plan.fails[place], variant, plan, weights)
        fails = run.dice.random() < chance if failing is None else failing
        blamed = _blamed(variant, weights, chance, run.dice) if fails else None
        extra = plan.extra[place] * (0.8 + 0.4 * run.dice.random())
        return _Serving(
            home,
            service,
            variant,
            plan,
            process,
            run.span_id(),
            chance,
            weights,
            fails,
            blamed,
            extra,
        )

    def _tilt(self, run: _Run, call: Call) -> float:
        """How much likelier than others this request's call fails, as it goes abroad or does not.

        A service that calls abroad may fail for that alone; who calls it must fail with it.
        """
        there = self._services[call.cluster]
        if there.database(call.callee) is not None:
            return 1.0
        kinds = there.variants(call.callee)
        if not any(one.remote for one in kinds):
            return 1.0
        plan = there.plan(call.callee, run.moment)
        mine = _abroad(kinds, run, kinds[-1]).remote
        pairs = list(zip(kinds, plan.fails, strict=True))
        mean = sum(one.share * fails for one, fails in pairs)
        share = sum(one.share for one in kinds if one.remote is mine)
        here = sum(one.share * fails for one, fails in pairs if one.remote is mine) / share
        return here / mean if mean else 1.0

    def _calls(self, run: _Run, serving: _Serving, at: int) -> tuple[int, str]:
        """Make a request's calls; when the last is done, and which one failed."""
        moment, last, upstream = at, at, ""
        parallel = serving.variant.route.parallel
        for call in serving.variant.calls:
            blamed = call.peer == serving.blamed
            fails = blamed or run.dice.random() < _tolerated(serving, call)
            fault = serving.home.fault(serving.service, call.peer, run.moment)
            moment = at if parallel else moment
            for turn in range(fault.repeat if fault else 1):
                moment, failed = self._call(run, serving, call, moment, fails=fails and not turn)
                if failed:
                    upstream = upstream if upstream and not blamed else call.peer
                    break
            last = max(last, moment)
            if blamed and not parallel:
                break
        return last, upstream

    # --- a service calls ------------------------------------------------------------------

    def _call(
        self, run: _Run, serving: _Serving, call: Call, at: int, *, fails: bool
    ) -> tuple[int, bool]:
        """Call another service ``at``; when its answer is there and whether that is an error."""
        there, home = self._services[call.cluster], serving.home
        wait = serving.plan.waits[call.peer] * (0.6 + 0.8 * run.dice.random())
        wait += serving.extra if call.peer == serving.blamed else 0.0
        trouble = self._trouble(run, serving, call, wait, fails=fails)
        span_id, position = run.span_id(), len(run.spans)
        database = there.database(call.callee)
        if trouble:
            end = at + int(trouble.seconds * _NS)
        elif database is not None:
            end = at + int((run.seconds(there.usual_seconds(call.callee)) + wait) * _NS)
        else:
            return self._answered(run, serving, call, at, span_id, wait, fails=fails)
        frame = Frame(home, serving.process, span_id, serving.span_id, at, end)
        if database is not None:
            fault = home.fault(serving.service, call.peer, run.moment)
            statements = database.statements
            statement = statements[serving.variant.number % len(statements)]
            span = query_span(
                frame, there, call, database, (fault.statement if fault else "") or statement
            )
        else:
            inner = _drawn(there.variants(call.callee), run.dice.random())
            span = client_span(frame, there, call, inner, None)
        if trouble:
            fail(span, trouble, serving.service)
        run.spans.insert(position, span)
        return end, trouble is not None

    def _answered(
        self,
        run: _Run,
        serving: _Serving,
        call: Call,
        at: int,
        span_id: str,
        wait: float,
        *,
        fails: bool,
    ) -> tuple[int, bool]:
        """A call that gets an answer, if perhaps an error."""
        there = self._services[call.cluster]
        position = len(run.spans)
        way = REMOTE_SECONDS if call.remote else 0.0002 + 0.0004 * run.dice.random()
        kinds = there.variants(call.callee)
        inner = _abroad(kinds, run, _drawn(kinds, run.dice.random()))
        begin = at + int((way + wait) * _NS)
        end, failed = self._serve(run, there, call.callee, inner, begin, span_id, fails)
        end += int(way * _NS)
        frame = Frame(serving.home, serving.process, span_id, serving.span_id, at, end)
        code = FAILED if failed else FINE
        run.spans.insert(position, client_span(frame, there, call, inner, code))
        return end, failed

    def _trouble(
        self, run: _Run, serving: _Serving, call: Call, waited: float, *, fails: bool
    ) -> Trouble | None:
        """Why a call never gets an answer; ``None``: it gets one."""
        there, home = self._services[call.cluster], serving.home
        moment, dice = run.moment, run.dice
        host = ":".join(map(str, host_of(there, call)))
        if call.remote and not there.cluster.reachable(moment):
            return Trouble("timeout", "TimeoutError", f"dial tcp {host}: i/o timeout", 3.0 + waited)
        if not there.processes(call.callee, moment):
            text = f"dial tcp {host}: connect: connection refused"
            seconds = 0.002 + 0.003 * dice.random() + waited
            return Trouble("connection_refused", "ConnectionRefusedError", text, seconds)
        if not fails:
            return None
        chance, answers = serving.plan.weights[call.peer], serving.plan.answers[call.peer]
        if there.database(call.callee) is None and dice.random() * chance < answers:
            return None
        fault = home.fault(serving.service, call.peer, moment)
        kind = fault.exception if fault and fault.exception else "TimeoutError"
        text = fault.message if fault and fault.message else f"call to {host} timed out"
        return Trouble(kind, kind, text, max(waited, run.seconds(0.25)))


def _explain(run: _Run, serving: _Serving, span: Span, upstream: str) -> None:
    """Say in a failed server span why it failed."""
    span.status = Status.ERROR
    if upstream:
        span.message = f"upstream {upstream} failed"
        return
    fault = serving.home.fault(serving.service, None, run.moment)
    kind = fault.exception if fault and fault.exception else "InternalError"
    text = fault.message if fault and fault.message else "unexpected error"
    span.message = text
    span.events = (exception(span.end_ns - 1_000, kind, text, serving.service),)


def _drawn(variants: tuple[Variant, ...], draw: float) -> Variant:
    for one in variants:
        draw -= one.share
        if draw < 0:
            return one
    return variants[-1]


def _abroad(variants: tuple[Variant, ...], run: _Run, drawn: Variant) -> Variant:
    """The drawn route's variant, abroad or not by the request's moment alone.

    So it is known which clusters a request comes through before anything else of it is.
    """
    share = sum(one.share for one in variants if one.remote)
    if not share:
        return drawn
    remote = key_of("abroad", run.moment) / 2.0**64 < share
    return next(
        one for one in variants if one.remote is remote and one.route.route == drawn.route.route
    )


def _blamed(
    variant: Variant, weights: Mapping[str, float], chance: float, dice: Random
) -> str | None:
    """The call that a failing request fails for; ``None``: the fault is the service's own."""
    draw = dice.random() * max(sum(weights.values()), chance)
    for call in variant.calls:
        draw -= weights[call.peer]
        if draw < 0:
            return call.peer
    return None


def _tilted(chance: float, variant: Variant, plan: Plan, weights: Mapping[str, float]) -> float:
    """How likely a request fails, when its calls are likelier or less likely to than others'."""
    usual = sum(plan.weights[call.peer] for call in variant.calls)
    mine = sum(weights.values())
    return min(1.0, chance * mine / usual) if usual >= _EXPLAINED * chance and usual else chance


def _tolerated(serving: _Serving, call: Call) -> float:
    """How likely a call fails without its caller failing, so that its failures add up."""
    weight, chance = serving.weights[call.peer], serving.chance
    if serving.fails or chance >= 1.0 or not weight:
        return 0.0
    total = sum(serving.weights.values())
    return max(0.0, weight - chance * weight / max(total, chance)) / (1.0 - chance)
