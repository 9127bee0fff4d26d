"""The OpenAPI document is valid, complete and true; the docs page stands on it alone."""

import re

import httpx2
import pytest
from openapi_spec_validator import OpenAPIV31SpecValidator
from starlette.applications import Starlette

from aiops_mcp.operation import Clusters
from aiops_mcp.surfaces.docs import docs_routes
from aiops_mcp.surfaces.openapi import openapi_document, openapi_route
from aiops_mcp.surfaces.openapi_schemas import example_of, parameter_schema, references
from aiops_mcp.surfaces.rest import operation_routes


@pytest.fixture
def document(operations):
    return openapi_document(
        operations, version="1.2.3", needs_token=True, tags={"demo": "Fake operations."}
    )


def test_the_document_is_valid_openapi(document):
    assert [error.message for error in OpenAPIV31SpecValidator(document).iter_errors()] == []


def test_every_route_stands_in_it_under_a_name_of_its_own(document, operations):
    routes = {(r.method.lower(), "/api/v1" + r.path) for r in operation_routes(operations)}
    written = {(method, path) for path, item in document["paths"].items() for method in item}
    assert routes <= written
    assert {path for _, path in written - routes} == {
        "/health",
        "/ready",
        "/health/detailed",
        "/metrics",
        "/auth/validate",
        "/api/v1/alerts/webhook",
        "/api/v1/alerts/webhook/{cluster}",
    }
    names = [item["operationId"] for path in document["paths"].values() for item in path.values()]
    assert len(names) == len(set(names))
    assert {"query_shelves", "query_shelves_2"} <= set(names)


def test_no_reference_leads_nowhere_and_no_schema_is_left_over(document):
    schemas = document["components"]["schemas"]
    assert set(references(document)) == set(schemas)


def test_parameters_tell_place_type_and_need(document):
    listed = {p["name"]: p for p in document["paths"]["/api/v1/shelves"]["get"]["parameters"]}
    assert listed["clusters"] == {
        "name": "clusters",
        "in": "query",
        "description": Clusters.__metadata__[0].description,
        "schema": {"type": "array", "items": {"type": "string"}, "default": []},
        "style": "form",
        "explode": True,
    }
    assert listed["has_gpu"]["schema"] == {"type": "boolean"}
    assert listed["page"]["schema"] == {"type": "integer", "minimum": 1, "default": 1}
    (path,) = document["paths"]["/api/v1/shelves/{cluster}"]["get"]["parameters"]
    assert path == {
        "name": "cluster",
        "in": "path",
        "required": True,
        "schema": {"type": "string"},
    }


def test_a_body_leaves_out_what_stands_in_the_path(document):
    change = document["paths"]["/api/v1/shelves/{cluster}"]["put"]
    shown = change["requestBody"]["content"]["application/json"]["schema"]
    assert set(shown["properties"]) == {"dry_run", "region", "token"}
    assert change["requestBody"]["required"] is False
    create = document["paths"]["/api/v1/shelves"]["post"]["requestBody"]
    assert create["required"] is True
    assert create["content"]["application/json"] == {
        "schema": {"$ref": "#/components/schemas/QueryInput"},
        "example": {"query": "up == 0"},
    }
    assert "requestBody" not in document["paths"]["/api/v1/hang"]["post"]


def test_answers_have_status_schema_and_errors(document):
    responses = document["paths"]["/api/v1/shelves"]["post"]["responses"]
    assert responses["201"]["content"]["application/json"]["schema"] == {
        "$ref": "#/components/schemas/Shelf"
    }
    assert "X-RateLimit-Remaining" in responses["201"]["headers"]
    assert {"401", "403", "404", "409", "413", "415", "422", "429", "503", "504"} <= set(responses)
    removed = document["paths"]["/api/v1/shelves/{cluster}"]["delete"]["responses"]
    assert "content" not in removed["204"]
    assert "413" not in removed
    # an answer always holds all of its fields, also those with a default
    assert set(document["components"]["schemas"]["Shelf"]["required"]) == {
        "operation",
        "given",
        "subject",
        "number",
        "coverage",
    }


def test_security_follows_the_server(document, operations):
    assert document["security"] == [{"token": []}]
    assert document["paths"]["/health"]["get"]["security"] == [{}]
    assert "security" not in document["paths"]["/metrics"]["get"]
    loopback = openapi_document(operations, version="1", needs_token=False)
    assert loopback["security"] == [{}]


def test_the_webhook_has_its_own_secret_and_answers(document):
    alone = document["paths"]["/api/v1/alerts/webhook"]["post"]
    named = document["paths"]["/api/v1/alerts/webhook/{cluster}"]["post"]
    schemes = document["components"]["securitySchemes"]
    used = {name for choice in alone["security"] for name in choice}
    assert used == {"webhookBearer", "webhookBasic", "webhookSecret"}
    assert used < set(schemes)
    assert schemes["webhookSecret"]["in"] == "header"
    assert {"202", "400", "401", "413", "429", "503"} <= set(alone["responses"])
    assert [each["name"] for each in named["parameters"]] == ["cluster"]
    for path in ("/ws", "/api/v1/logs/tail"):
        assert path in document["info"]["description"]


def test_tags_carry_the_capabilities_descriptions(document):
    assert {"name": "demo", "description": "Fake operations."} in document["tags"]
    assert document["paths"]["/api/v1/shelves"]["get"]["tags"] == ["demo"]
    assert document["paths"]["/api/v1/shelves"]["post"]["x-permission"] == "clusters:write"


def test_schemas_of_parameters_and_examples():
    several = {
        "anyOf": [{"type": "string"}, {"type": "integer"}, {"type": "null"}],
        "default": None,
    }
    assert parameter_schema(several) == {"anyOf": [{"type": "string"}, {"type": "integer"}]}
    fields = {"a": {"examples": [1, 2]}, "b": {}}
    assert example_of({"properties": fields, "required": ["a"]}) == {"a": 1}
    assert example_of({"properties": fields, "required": ["b"]}) is None
    assert example_of({"properties": {}}) is None


@pytest.fixture
async def pages(document):
    app = Starlette(routes=[openapi_route(lambda: document), *docs_routes()])
    async with httpx2.AsyncClient(
        transport=httpx2.ASGITransport(app=app), base_url="http://localhost"
    ) as client:
        yield client


async def test_the_document_is_served(pages, document):
    answer = await pages.get("/openapi.json")
    assert answer.json() == document
    assert answer.headers["content-type"] == "application/json"


@pytest.mark.parametrize(("path", "mode"), [("/docs", "try"), ("/redoc", "read")])
async def test_the_page_needs_no_other_server(pages, path, mode):
    page = await pages.get(path)
    assert page.headers["content-type"] == "text/html; charset=utf-8"
    assert f'data-mode="{mode}"' in page.text
    policy = page.headers["content-security-policy"]
    assert policy.startswith("default-src 'none'; script-src 'self'; style-src 'self';")
    assert "unsafe" not in policy
    sources = re.findall(r'(?:src|href)="([^"#]+)"', page.text)
    assert not [source for source in sources if "//" in source]
    for asset in ("docs/assets/docs.js", "docs/assets/docs.css"):
        assert asset in sources
        got = await pages.get("/" + asset)
        assert got.status_code == 200
        assert "http://" not in got.text
        assert "https://" not in got.text
        assert "innerHTML" not in got.text
    script = await pages.get("/docs/assets/docs.js")
    assert script.headers["content-type"].startswith("text/javascript")


async def test_pages_are_only_read(pages):
    posted = await pages.post("/docs")
    assert (posted.status_code, posted.headers["allow"]) == (405, "GET, HEAD, OPTIONS")
    assert (await pages.options("/docs")).status_code == 204
    head = await pages.head("/docs")
    assert (head.status_code, head.content) == (200, b"")
    assert int(head.headers["content-length"]) > 500
