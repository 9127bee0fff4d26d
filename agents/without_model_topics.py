"""The words by which a question is understood without a model: topics, follow-ups. Pure data."""

import re
from enum import StrEnum
from typing import Final


class Topic(StrEnum):
    """What is to be looked at first; the value is what a person calls it."""

    TROUBLE = "what is wrong"
    ALERTS = "alerts"
    CHANGES = "changes"
    GPU = "GPUs"
    CLOCK = "clocks"
    CNF = "network functions"
    MODEL_SERVERS = "model servers"
    LOGS = "logs"
    CLUSTERS = "the clusters"
    RUNBOOK = "runbooks"


TOPICS: Final = (
    (
        Topic.RUNBOOK,
        (r"\brun-?books?\b|\bplaybooks?\b"),
    ),
    (
        Topic.LOGS,
        (r"\blogs?\b|\blog lines?\b|\bstack ?traces?\b"),
    ),
    (
        Topic.CHANGES,
        (
            r"\bwhat (?:has |have |was |were |is |did )?(?:\w+ )?chang\w*|\bchanges?\b|"
            r"\bdeployed\b|\bdeploys?\b|"
            r"\bdeployments? (?:today|recently|since|happened|were)|\broll(?:ed)? ?outs?\b|"
            r"\bnew versions?\b|\bwhat is different\b"
        ),
    ),
    (
        Topic.CLOCK,
        (
            r"\bptp\w*\b|\bclocks?\b|\bgrandmasters?\b|\btime sync\w*|\bsynchroni\w+|"
            r"\bgnss\b"
        ),
    ),
    (
        Topic.CNF,
        (
            r"\bcnfs?\b|\bnetwork functions?\b|\bupfs?\b|\bamf\b|\bsmf\b|\bv?dus?\b|"
            r"\bv?cus?\b|\bdpdk\b|\bsr-?iov\b|\bpackets?\b|\bn[346]\b|\bpdu sessions?\b"
        ),
    ),
    (
        Topic.MODEL_SERVERS,
        (
            r"\bvllm\w*|\bmodel servers?\b|\binference\b|\bllms?\b|\bkv.?cache\b|"
            r"\btime to first token\b|\bttft\b|\btokens?\b"
        ),
    ),
    (
        Topic.GPU,
        (
            r"\bgpus?\b|\bxid\w*\b|\bnvidia\w*|\bcuda\b|\bdcgm\b|\bnvlink\b|\becc\b|"
            r"\bgraphics cards?\b|\btraining\b|\ba100s?\b|\bh100s?\b"
        ),
    ),
    (
        Topic.ALERTS,
        (r"\balerts?\b|\balarms?\b|\bfiring\b|\bpaged?\b|\bpaging\b"),
    ),
    (
        Topic.CLUSTERS,
        (
            r"\b(?:list|which|how many|what|show)\b.{0,24}\bclusters?\b.{0,40}"
            r"(?:\?|\.|$|are there|exist|offline|online|degraded|away)|"
            r"\bfleet (?:summary|overview)\b|\boverview of the fleet\b"
        ),
    ),
)
CAUSE: Final = re.compile(
    r"\bwhy\b|\bcaus\w+|\broot\b|\bwrong\b|\bproblem\w*|\btrouble\w*|\bfail\w*|\bslow\w*|\bbroken?\b|"
    r"\bdown\b|\bcrash\w*|\berrors?\b|\bissues?\b|\bincidents?\b|\boutages?\b|\bhappen\w*|\bblame\b|"
    r"\bexplain\b|\binvestigat\w+|\bdiagnos\w+|\bhealthy?\b|\bstatus\b|\bok(?:ay)?\b|\bunhealthy\b|"
    r"\bhow (?:is|are)\b|\bmatter\b|\bgoing on\b|\blatenc\w+|\bthrottl\w*|\boff the bus\b|"
    r"\blos[est]\w*|"
    r"\bdegraded\b|\bstuck\b|\bpending\b|\bunreachable\b|\bcut off\b|\baway\b|"
    r"\boffline\b|\bhot\b|\bfix\b|\btriage\b|\banalys[ei]\w*|"
    r"\banalyz\w+|\bunstable\b|\bflapp\w+|\breject\w*|\btimeouts?\b|\brestart\w*",
    re.IGNORECASE,
)
FOLLOWS: Final = re.compile(
    r"^\W*(?:and|but|so|ok(?:ay)?|then|also|what about|how about)\b|"
    r"\b(?:it|its|that|this|there|they|them|those|these|the same)\b|"
    r"^\W*(?:why|since when|how long|what (?:now|else|next)|what should|what can|"
    r"how (?:do|can|to))\b",
    re.IGNORECASE,
)
NAMED: Final = (
    re.compile(
        r"\b(?:service|deployment|workload|pod|node|component|app|application|statefulset|daemonset|"
        r"job|server|operator|volume|pvc|certificate|namespace)\s+[`'\"]?([a-z0-9][\w./-]*[a-z0-9])",
        re.IGNORECASE,
    ),
    re.compile(
        r"\b(?:is|are|does|do|did|has|with|of|for|about|on|in|from)\s+(?:the\s+|our\s+)?[`'\"]?"
        r"([a-z0-9][\w./-]*[a-z0-9])",
        re.IGNORECASE,
    ),
    re.compile(
        r"\b([a-z0-9][\w./-]*[a-z0-9])\s+(?:is|are|has|keeps?|fails?|logs?|pods?)\b", re.IGNORECASE
    ),
)
WORD: Final = re.compile(r"[A-Za-z0-9][\w./-]*")
ALERT: Final = re.compile(r"\b(?:[A-Za-z]+[a-z0-9]+(?:[A-Z][A-Za-z0-9]*)+|[A-Z]{2,}[a-z]+\w*)\b")
CLOCK_TIME: Final = re.compile(
    r"\b(?:(\d{4})-(\d{2})-(\d{2})[T ])?([01]?\d|2[0-3]):([0-5]\d)(?::\d{2})?\s?(?:Z|UTC)?\b"
)
AGO: Final = re.compile(
    r"\b(\d{1,3}|an?|one|two|three|six|twelve)\s*(minutes?|min|m|hours?|h|days?|d)\s+ago\b",
    re.IGNORECASE,
)
_TEXT = """
the a an is are was were what why when where which who how our my your its it that this there
wrong slow down failing broken status health healthy happening happened going on in of for
from with and or not no any all show list tell me us please fleet cluster clusters service
services pod pods node nodes gpu gpus alert alerts now today right currently since last hour
hours day days changed change changes problem problems issue issues error errors logs log
cause root do does did has have had be been can could should would will to at by as up about
system systems production everything anything something check look find give explain summary
overview worst most least high low big long time times firing active open critical warning
latency performance traffic requests request users customers so ok okay fine good bad well new
old deployment deployments rollout namespace workload workloads job jobs server servers
application app database db network disk memory cpu storage volume certificate region site
edge ptp clock clocks vllm model inference training state need needs attention rest
"""
COMMON_WORDS: Final = frozenset(_TEXT.split())
"""Words that name nothing of a fleet."""
