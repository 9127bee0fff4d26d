import pytest

BASE = "/api/traces/v1/shop"


@pytest.fixture
def gateway(fleet_with, client_of):
    return client_of(fleet_with(), "stage-singapore", "tempo")


@pytest.mark.parametrize(
    ("path", "status"),
    [
        ("/tempo/api/search?q=%7B%7D&limit=1", 200),
        ("/tempo/api/v2/search/tag/resource.service.name/values", 200),
        ("/tempo/api/search/tag/service.name/values", 200),
        (f"/tempo/api/traces/{'ab' * 16}", 404),
        (f"/tempo/api/v2/traces/{'ab' * 16}", 404),
        ("/tempo/api/v2/search/tag/span.http.route/values", 403),
        ("/tempo/api/v2/search/tags", 403),
        ("/tempo/api/metrics/query_range?q=%7B%7D%7Crate()", 403),
        ("/tempo/ready", 403),
        ("/api/services", 200),
        ("/tempo", 403),
    ],
)
async def test_only_some_calls_pass(path, status, gateway):
    answer = await gateway.get(BASE + path)
    assert answer.status_code == status
    if status == 403:
        assert answer.json()["errorType"] == "observatorium-api"


async def test_tokens_and_tenants(gateway):
    path = f"{BASE}/tempo/api/search"
    wrong = await gateway.get(path, headers={"authorization": "Bearer nobody"})
    assert (wrong.status_code, wrong.json()["status"]) == (401, "error")
    none = await gateway.get(path, headers={"authorization": ""})
    assert none.status_code == 302
    other = await gateway.get("/api/traces/v1/ops/tempo/api/search")
    assert other.status_code == 401
    assert (await gateway.get("/api/search")).status_code == 404
