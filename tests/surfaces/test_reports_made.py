"""Reports over REST and commands of a fleet in trouble: each type, each form, for each caller."""

import json
import re
from collections.abc import AsyncIterator
from datetime import UTC, datetime

import httpx2
import pytest
import pytest_asyncio
from pydantic import SecretStr

from aiops_mcp.app import App, open_app
from aiops_mcp.models.cluster import ClusterType
from aiops_mcp.models.reports import ReportContent
from aiops_mcp.serving import http_application
from aiops_mcp.settings import Settings

pytestmark = [pytest.mark.asyncio(loop_scope="module"), pytest.mark.timeout(90)]

MOMENT = datetime(2026, 3, 10, 14, 30, tzinfo=UTC)
SICK, WELL = "prod-frankfurt", "dev-dublin"
ADMIN, VIEWER, GUEST = "an-admin-token-1", "a-viewer-token-1", "a-confined-token"


@pytest_asyncio.fixture(scope="module", loop_scope="module")
async def app(tmp_path_factory: pytest.TempPathFactory) -> AsyncIterator[App]:
    settings = Settings(
        _env_file=None,
        home=tmp_path_factory.mktemp("home"),
        demo=True,
        allow_write=True,
        demo_incidents=("slow-database", "hostile-text", "gpu-xid-79", "ptp-lock-loss"),
        check_timeout=dict.fromkeys(ClusterType, 60.0),
        api_tokens=SecretStr(f"admin={ADMIN},viewer={VIEWER},viewer@{WELL}={GUEST}"),
        rate_user_per_minute=0,
        rate_reports_per_minute=0,
    )
    async with open_app(settings, watch=False, clock=lambda: MOMENT) as opened:
        await opened.check_stale_clusters()
        yield opened


@pytest_asyncio.fixture(scope="module", loop_scope="module")
async def rest(app: App) -> AsyncIterator[httpx2.AsyncClient]:
    transport = httpx2.ASGITransport(app=http_application(app).asgi)
    async with httpx2.AsyncClient(transport=transport, base_url="http://127.0.0.1/api/v1") as one:
        yield one


def by(token: str) -> dict[str, str]:
    return {"Authorization": f"Bearer {token}"}


async def made(rest: httpx2.AsyncClient, kind: str, form: str, *clusters: str) -> dict:
    asked = {"report_type": kind, "format": form, "clusters": list(clusters)}
    answer = await rest.post("/reports", json=asked, headers=by(ADMIN))
    assert answer.status_code == 201, answer.text
    return answer.json()


async def fetched(rest: httpx2.AsyncClient, report: dict) -> httpx2.Response:
    answer = await rest.get(f"/reports/{report['id']}/download", headers=by(ADMIN))
    assert answer.status_code == 200, answer.text
    assert len(answer.content) == report["size_bytes"]
    return answer


async def test_an_incident_as_json_says_what_why_and_what_it_lacks(rest) -> None:
    report = await made(rest, "INCIDENT_REPORT", "JSON", SICK)
    told = await fetched(rest, report)
    assert told.headers["content-type"] == "application/json"
    content = ReportContent.model_validate_json(told.content)
    sections = {section.title: section for section in content.sections}
    assert [*sections][:3] == ["Likely causes", "What is wrong now", "What happened"]
    assert "shop/catalogue" in sections["Likely causes"].finding
    assert "Alerts" in sections
    assert content.headline == report["headline"]
    assert content.simulated
    kinds = {block.kind for section in content.sections for block in section.blocks}
    assert {"table", "line_chart", "bar_chart", "evidence"} <= kinds
    commands = [b.command for s in content.sections for b in s.blocks if b.kind == "evidence"]
    assert all(command.startswith("aiops ") for command in commands)
    assert f"aiops triage --cluster {SICK}" in commands
    assert "alerts that have ended" in {one.what for one in content.not_available}
    assert report["not_available"] == len(content.not_available)


async def test_a_page_of_html_holds_nothing_that_the_clusters_wrote_as_markup(rest) -> None:
    report = await made(rest, "DETAILED_ANALYSIS", "HTML", SICK, "prod-virginia")
    told = await fetched(rest, report)
    assert told.headers["content-type"] == "text/html; charset=utf-8"
    assert told.headers["content-disposition"].startswith('attachment; filename="detailed-')
    assert told.headers["x-content-type-options"] == "nosniff"
    assert "<script" not in told.text
    assert not re.search(r"<[a-z]+ [^>]*\son[a-z]+=", told.text)
    assert "<svg" in told.text
    assert "Simulated fleet" in told.text


async def test_gpus_and_clocks_in_trouble_are_told_and_a_past_period_says_nothing_of_now(
    rest,
) -> None:
    asked = {"report_type": "DETAILED_ANALYSIS", "format": "JSON", "start_time": "-2h"}
    asked["clusters"] = ["ml-oregon", "edge-munich"]
    answer = await rest.post("/reports", json=asked, headers=by(ADMIN))
    content = ReportContent.model_validate_json((await fetched(rest, answer.json())).content)
    sections = {section.title: section for section in content.sections}
    assert "1 card gone from the bus" in sections["GPUs"].finding
    rows = sections["GPUs"].blocks[0].rows
    assert rows[0][:3] == ("FAILING", "ml-oregon", "ml-oregon-gpu-1")
    assert any("XID 79" in row[3] for row in rows)
    assert "GPUs are paid for and not used" in sections["GPUs that could be used"].finding
    clocks = sections["Network functions"].blocks[0].rows
    assert any(row[:2] == ("FREERUN", "edge-munich") for row in clocks), clocks
    past = {"start_time": "-30h", "end_time": "-6h", "clusters": [WELL], "format": "JSON"}
    answer = await rest.post(
        "/reports", json={"report_type": "EXECUTIVE_SUMMARY", **past}, headers=by(ADMIN)
    )
    content = ReportContent.model_validate_json((await fetched(rest, answer.json())).content)
    assert "What is wrong now" not in {section.title for section in content.sections}
    lacking = {one.what: one.why for one in content.not_available}
    assert "the period lies in the past" in lacking["what is wrong now"]


async def test_a_plan_as_markdown_and_a_summary_as_pdf(rest) -> None:
    plan = await fetched(rest, await made(rest, "CAPACITY_PLAN", "MARKDOWN", SICK))
    assert plan.text.startswith(f"# Capacity plan: {SICK}\n")
    for heading in ("## What runs out", "## Room by cluster", "## Signals", "## Not available"):
        assert heading in plan.text
    summary = await fetched(rest, await made(rest, "EXECUTIVE_SUMMARY", "PDF", SICK, WELL))
    assert summary.headers["content-type"] == "application/pdf"
    assert summary.content.startswith(b"%PDF-")
    assert summary.content.rstrip().endswith(b"%%EOF")


async def test_who_may_what(rest) -> None:
    of_both = await made(rest, "CAPACITY_PLAN", "JSON", SICK, WELL)
    of_well = await made(rest, "CAPACITY_PLAN", "JSON", WELL)
    asked = {"report_type": "CAPACITY_PLAN", "clusters": [WELL]}
    for token in (VIEWER, GUEST):
        refused = await rest.post("/reports", json=asked, headers=by(token))
        assert (refused.status_code, refused.json()["error"]["code"]) == (403, "PERMISSION_DENIED")
        refused = await rest.delete(f"/reports/{of_well['id']}", headers=by(token))
        assert refused.status_code == 403
    seen = (await rest.get("/reports?page_size=100", headers=by(VIEWER))).json()
    assert {of_both["id"], of_well["id"]} <= {one["id"] for one in seen["items"]}
    seen = (await rest.get("/reports", headers=by(GUEST))).json()
    assert of_well["id"] in {one["id"] for one in seen["items"]}
    assert {name for one in seen["items"] for name in one["cluster_scope"]} == {WELL}
    assert seen["total"] == len(seen["items"])
    for path in ("", "/download"):
        hidden = await rest.get(f"/reports/{of_both['id']}{path}", headers=by(GUEST))
        assert (hidden.status_code, hidden.json()["error"]["code"]) == (404, "REPORT_NOT_FOUND")
        assert SICK not in hidden.text
        shown = await rest.get(f"/reports/{of_well['id']}{path}", headers=by(GUEST))
        assert shown.status_code == 200


async def test_one_is_listed_by_type_and_deleted(rest) -> None:
    report = await made(rest, "CAPACITY_PLAN", "MARKDOWN", WELL)
    path = f"/reports/{report['id']}"
    page = (await rest.get("/reports?report_type=CAPACITY_PLAN", headers=by(ADMIN))).json()
    assert {one["report_type"] for one in page["items"]} == {"CAPACITY_PLAN"}
    tried = await rest.delete(f"{path}?dry_run=true", headers=by(ADMIN))
    assert tried.status_code == 200, tried.text
    assert (await rest.get(path, headers=by(ADMIN))).status_code == 200
    assert (await rest.delete(path, headers=by(ADMIN))).json()["id"] == report["id"]
    for gone in (path, f"{path}/download"):
        assert (await rest.get(gone, headers=by(ADMIN))).status_code == 404


@pytest.mark.parametrize(
    ("wrong", "says"),
    [
        ({}, "report_type"),
        ({"report_type": "WEEKLY"}, "report_type"),
        ({"report_type": "CAPACITY_PLAN", "format": "DOCX"}, "format"),
        ({"report_type": "CAPACITY_PLAN", "alert": "0f"}, "Only an incident report"),
        ({"report_type": "CAPACITY_PLAN", "start_time": "-400d"}, "5 minutes to 92 days"),
        ({"report_type": "CAPACITY_PLAN", "start_time": "-1m"}, "5 minutes to 92 days"),
        ({"report_type": "CAPACITY_PLAN", "end_time": "2027-01-01T00:00:00Z"}, "in the future"),
        ({"report_type": "CAPACITY_PLAN", "horizon": "1s"}, "cannot look 1s ahead"),
        ({"report_type": "CAPACITY_PLAN", "title": "x" * 201}, "title"),
    ],
)
async def test_what_cannot_be_is_refused_with_the_field(rest, wrong, says) -> None:
    answer = await rest.post("/reports", json=wrong, headers=by(ADMIN))
    assert answer.status_code == 422, answer.text
    error = answer.json()["error"]
    assert error["code"] == "VALIDATION_FAILED"
    assert says in json.dumps(error)


async def test_nobody_and_no_alert_of_that_name(rest) -> None:
    asked = {"report_type": "CAPACITY_PLAN", "clusters": ["prod-frankfrut"]}
    answer = await rest.post("/reports", json=asked, headers=by(ADMIN))
    assert answer.json()["error"]["code"] == "CLUSTER_NOT_FOUND"
    assert SICK in answer.text
    asked = {"report_type": "INCIDENT_REPORT", "alert": "00000000000000ff"}
    answer = await rest.post("/reports", json=asked, headers=by(ADMIN))
    assert answer.json()["error"]["code"] == "ALERT_NOT_FOUND"


async def test_of_one_alert_it_begins_an_hour_before(rest) -> None:
    alerts = (await rest.get(f"/alerts?cluster_id={SICK}", headers=by(ADMIN))).json()["alerts"]
    slow = next(one for one in alerts if one["alertname"] == "ServiceLatencyHigh")
    asked = {"report_type": "INCIDENT_REPORT", "format": "JSON", "alert": slow["fingerprint"]}
    answer = await rest.post("/reports", json=asked, headers=by(ADMIN))
    assert answer.status_code == 201, answer.text
    report = answer.json()
    assert report["title"] == f"Incident report: ServiceLatencyHigh in {SICK}"
    assert report["cluster_scope"] == [SICK]
    began = datetime.fromisoformat(slow["starts_at"])
    start = datetime.fromisoformat(report["time_range"]["start"])
    assert (began - start).total_seconds() == 3600
    content = ReportContent.model_validate_json((await fetched(rest, report)).content)
    assert content.sections[0].title == "Likely causes"
    assert "ServiceLatencyHigh" in content.sections[0].blocks[0].title
