// Draws openapi.json as a page, with a form to try each operation. Text is only ever set as text.
"use strict";

const root = document.documentElement;
const reading = root.dataset.mode === "read";
const byId = (id) => document.getElementById(id);

function el(tag, attributes = {}, ...children) {
  const node = document.createElement(tag);
  for (const [name, value] of Object.entries(attributes)) {
    if (name.startsWith("on")) node.addEventListener(name.slice(2), value);
    else if (value === true) node.setAttribute(name, "");
    else if (value !== undefined && value !== null && value !== false) node.setAttribute(name, value);
  }
  node.append(...children.filter((child) => child !== null && child !== undefined && child !== ""));
  return node;
}

// Plain text with `code` in it.
function prose(text) {
  return (text || "").split(/`+/).map((part, at) => (at % 2 ? el("code", {}, part) : part));
}

let spec = {};

function resolve(schema) {
  let seen = schema || {};
  for (let hops = 0; seen.$ref && hops < 10; hops += 1) {
    const found = seen.$ref.slice(2).split("/").reduce((node, step) => (node || {})[step], spec);
    seen = { ...found, ...Object.fromEntries(Object.entries(seen).filter(([key]) => key !== "$ref")) };
  }
  return seen;
}

function typeName(schema) {
  if (schema.$ref) {
    const found = resolve(schema);
    return found.enum ? typeName(found) : schema.$ref.split("/").pop();
  }
  const choices = schema.anyOf || schema.oneOf;
  if (choices) return choices.map(typeName).join(" | ");
  if (schema.enum) return schema.enum.map((value) => JSON.stringify(value)).join(" | ");
  if (schema.const !== undefined) return JSON.stringify(schema.const);
  if (schema.type === "array") return schema.items ? `${typeName(schema.items)}[]` : "array";
  if (schema.type === "object" && typeof schema.additionalProperties === "object") {
    return `{string: ${typeName(schema.additionalProperties)}}`;
  }
  return [].concat(schema.type || "any").join(" | ") + (schema.format ? ` (${schema.format})` : "");
}

function constraints(schema) {
  const said = [];
  if (schema.default !== undefined && schema.default !== null) said.push(`default ${JSON.stringify(schema.default)}`);
  for (const [key, sign] of [["minimum", "≥"], ["maximum", "≤"], ["exclusiveMinimum", ">"], ["exclusiveMaximum", "<"]]) {
    if (schema[key] !== undefined) said.push(`${sign} ${schema[key]}`);
  }
  if (schema.pattern) said.push(`matches ${schema.pattern}`);
  if (schema.maxLength) said.push(`at most ${schema.maxLength} characters`);
  if (schema.examples) said.push(`such as ${schema.examples.map((value) => JSON.stringify(value)).join(", ")}`);
  return said.join(" · ");
}

// The object schema inside a field, if there is one, to unfold below it.
function inner(schema) {
  const plain = resolve(schema);
  if (plain.properties) return plain;
  for (const part of [plain.items, plain.additionalProperties, ...(plain.anyOf || []), ...(plain.oneOf || [])]) {
    const found = part && typeof part === "object" ? inner(part) : null;
    if (found) return found;
  }
  return null;
}

function fieldList(schema, depth = 0) {
  const plain = resolve(schema);
  const required = new Set(plain.required || []);
  return el("ul", { class: "fields" }, ...Object.entries(plain.properties || {}).map(([name, field]) => {
    const shown = resolve(field);
    const below = depth < 6 ? inner(field) : null;
    return el("li", {},
      el("code", {}, name), " ", el("span", { class: "quiet" }, typeName(field)),
      required.has(name) && depth === 0 ? el("span", { class: "required" }, " required") : null,
      field.description || shown.description ? el("div", {}, ...prose(field.description || shown.description)) : null,
      constraints(field) ? el("div", { class: "tagline" }, constraints(field)) : null,
      below ? unfold(`Fields of ${name}`, () => fieldList(below, depth + 1)) : null);
  }));
}

// Drawn when first opened: schemas may be deep, and may hold themselves.
function unfold(title, draw) {
  const box = el("details", { class: "nested" }, el("summary", { class: "quiet" }, title));
  box.addEventListener("toggle", () => { if (box.open && box.childElementCount === 1) box.append(draw()); });
  return box;
}

function skeleton(schema, depth = 0) {
  const plain = resolve(schema);
  if (plain.examples) return plain.examples[0];
  if (plain.default !== undefined && plain.default !== null) return plain.default;
  if (plain.enum) return plain.enum[0];
  if (plain.anyOf) return skeleton(plain.anyOf[0], depth);
  if (plain.properties && depth < 4) {
    const required = new Set(plain.required || []);
    return Object.fromEntries(Object.entries(plain.properties)
      .filter(([name]) => required.has(name)).map(([name, field]) => [name, skeleton(field, depth + 1)]));
  }
  return { array: [], object: {}, integer: 0, number: 0, boolean: false }[plain.type] ?? "";
}

function parameterField(parameter, prefix) {
  const id = `${prefix}-${parameter.in}-${parameter.name}`;
  const schema = resolve(parameter.schema);
  const choices = schema.enum || (schema.type === "boolean" ? ["true", "false"] : null);
  const field = choices
    ? el("select", { id }, el("option", { value: "" }, "–"), ...choices.map((value) => el("option", {}, value)))
    : el("input", { id, type: "text", autocomplete: "off", spellcheck: "false",
      placeholder: schema.type === "array" ? "comma-separated" : schema.default ?? "", required: parameter.required });
  return { parameter, field, row: el("div", { class: "row" }, el("label", { for: id }, el("code", {}, parameter.name)), field) };
}

function requestOf(method, path, fields, body) {
  let target = path;
  const query = new URLSearchParams();
  for (const { parameter, field } of fields) {
    const value = field.value.trim();
    if (parameter.in === "path") target = target.replace(`{${parameter.name}}`, encodeURIComponent(value));
    else if (value) query.append(parameter.name, value);
  }
  const headers = {};
  if (byId("token").value) headers.authorization = `Bearer ${byId("token").value}`;
  if (body) headers["content-type"] = "application/json";
  const tail = query.size ? `?${query}` : "";
  return { url: new URL(`.${target}${tail}`, location.href.replace(/[^/]*$/, "")), options: { method, headers, body: body || undefined } };
}

const quoted = (text) => `'${text.replaceAll("'", "'\\''")}'`;

function curl({ url, options }) {
  const parts = ["curl -sS"];
  if (options.method !== "GET") parts.push(`-X ${options.method}`);
  if (options.headers.authorization) parts.push('-H "Authorization: Bearer $TOKEN"');
  if (options.body) parts.push(`-H 'Content-Type: application/json' -d ${quoted(options.body)}`);
  return [...parts, quoted(url.href)].join(" ");
}

function pretty(text, kind) {
  if (!/json/.test(kind || "")) return text;
  try { return JSON.stringify(JSON.parse(text), null, 2); } catch { return text; }
}

function tryForm(method, path, operation) {
  const fields = (operation.parameters || []).map((parameter) => parameterField(parameter, operation.operationId));
  const media = operation.requestBody?.content["application/json"];
  const bodyId = `${operation.operationId}-body`;
  const body = media ? el("textarea", { id: bodyId, rows: 8, spellcheck: "false" }) : null;
  if (body) body.value = JSON.stringify(media.example ?? skeleton(media.schema), null, 2);
  const answer = el("div", { "aria-live": "polite" });
  const send = el("button", { class: "send", type: "submit" }, "Send");

  async function submit(event) {
    event.preventDefault();
    const request = requestOf(method.toUpperCase(), path, fields, body?.value.trim());
    send.disabled = true;
    answer.replaceChildren(el("p", { class: "quiet" }, "Waiting …"));
    const started = performance.now();
    try {
      const response = await fetch(request.url, request.options);
      const text = await response.text();
      const left = response.headers.get("x-ratelimit-remaining");
      answer.replaceChildren(
        el("p", {}, el("span", { class: response.ok ? "good" : "bad" }, `${response.status} ${response.statusText}`),
          el("span", { class: "quiet" }, ` in ${Math.round(performance.now() - started)} ms`
            + (left ? `, ${left} requests left` : "") + `, trace ${response.headers.get("x-trace-id") || "–"}`)),
        el("pre", { tabindex: 0 }, pretty(text, response.headers.get("content-type")) || "(empty)"),
        el("p", { class: "quiet" }, "The same from a terminal:"), el("pre", { tabindex: 0 }, curl(request)));
    } catch (error) {
      answer.replaceChildren(el("p", { class: "bad" }, `No answer: ${error.message}`));
    } finally {
      send.disabled = false;
    }
  }

  return el("form", { class: "try", onsubmit: submit, "aria-label": `Try ${operation.operationId}` },
    el("h4", {}, "Try it"), ...fields.map((field) => field.row),
    body ? el("div", {}, el("label", { for: bodyId, class: "quiet" }, "Body (JSON)"), body) : null,
    el("div", { class: "actions" }, send), answer);
}

function parameterList(parameters) {
  return el("ul", { class: "fields" }, ...parameters.map((parameter) => el("li", {},
    el("code", {}, parameter.name), " ", el("span", { class: "quiet" }, `${typeName(parameter.schema)} in ${parameter.in}`),
    parameter.required ? el("span", { class: "required" }, " required") : null,
    parameter.description ? el("div", {}, ...prose(parameter.description)) : null,
    constraints(parameter.schema) ? el("div", { class: "tagline" }, constraints(parameter.schema)) : null)));
}

function responseList(responses) {
  return el("ul", { class: "fields" }, ...Object.entries(responses).map(([status, sent]) => {
    const response = resolve(sent);
    const schema = Object.values(response.content || {})[0]?.schema;
    const fields = schema ? inner(schema) : null;
    return el("li", {}, el("code", { class: status < "400" ? "good" : "bad" }, status), ` ${response.description}`,
      schema && status < "400" ? el("span", { class: "quiet" }, ` ${typeName(schema)}`) : null,
      fields && status < "400" ? unfold("Fields of the answer", () => fieldList(schema)) : null);
  }));
}

function operationBox(method, path, operation) {
  const media = operation.requestBody?.content["application/json"];
  const box = el("details", { class: "operation", id: operation.operationId },
    el("summary", {}, el("span", { class: `method ${method}` }, method.toUpperCase()), el("code", {}, path),
      el("span", { class: "quiet" }, operation.summary || "")));
  const draw = () => box.append(el("div", {},
    operation.description && operation.description !== operation.summary ? el("p", {}, ...prose(operation.description)) : null,
    operation["x-permission"] ? el("p", { class: "tagline" }, "Needs ", el("code", {}, operation["x-permission"]),
      ` · effect: ${operation["x-effect"]}`) : null,
    operation.parameters ? el("h4", {}, "Parameters") : null,
    operation.parameters ? parameterList(operation.parameters) : null,
    media ? el("h4", {}, "Body") : null, media ? fieldList(media.schema) : null,
    reading ? null : tryForm(method, path, operation),
    el("h4", {}, "Answers"), responseList(operation.responses)));
  box.addEventListener("toggle", () => { if (box.open && box.childElementCount === 1) draw(); });
  if (reading) box.open = true;
  return box;
}

function draw() {
  byId("title").textContent = spec.info.title;
  byId("version").textContent = spec.info.version;
  byId("about").replaceChildren(...prose(spec.info.description));
  const operations = Object.entries(spec.paths).flatMap(([path, methods]) =>
    Object.entries(methods).map(([method, operation]) => ({ path, method, operation })));
  const sections = [], contents = [];
  for (const tag of spec.tags) {
    const own = operations.filter(({ operation }) => operation.tags.includes(tag.name));
    sections.push(el("section", {}, el("h2", {}, tag.name), tag.description ? el("p", {}, tag.description) : null,
      ...own.map(({ method, path, operation }) => operationBox(method, path, operation))));
    contents.push(el("div", { class: "group" }, el("h2", {}, tag.name), el("ul", {}, ...own.map(({ method, path, operation }) =>
      el("li", { "data-words": `${method} ${path} ${operation.operationId} ${operation.summary}`.toLowerCase(),
        "data-for": operation.operationId },
      el("a", { href: `#${operation.operationId}` }, el("span", { class: `method ${method}` }, method.toUpperCase()),
        path.replace("/api/v1", "")))))));
  }
  byId("reference").replaceChildren(...sections);
  byId("reference").setAttribute("aria-busy", "false");
  byId("contents").replaceChildren(...contents);
  openNamed();
}

function openNamed() {
  const box = location.hash.length > 1 ? byId(decodeURIComponent(location.hash.slice(1))) : null;
  if (box instanceof HTMLDetailsElement) {
    box.open = true;
    box.scrollIntoView();
    box.querySelector("summary").focus({ preventScroll: true });
  }
}

function filter() {
  const words = byId("filter").value.toLowerCase().split(/\s+/).filter(Boolean);
  for (const item of document.querySelectorAll("nav li")) {
    const hidden = !words.every((word) => item.dataset.words.includes(word));
    item.hidden = hidden;
    byId(item.dataset.for).hidden = hidden;
  }
  for (const group of document.querySelectorAll("nav .group, main section")) {
    group.hidden = !group.querySelector("li[data-words]:not([hidden]), .operation:not([hidden])");
  }
}

async function checkToken(event) {
  event.preventDefault();
  const token = byId("token").value;
  const who = byId("who");
  try {
    const response = await fetch("auth/validate", token ? { headers: { authorization: `Bearer ${token}` } } : {});
    const body = await response.json();
    who.textContent = response.ok ? `${body.subject} (${body.role})` : body.error.message;
    who.className = response.ok ? "good" : "bad";
  } catch (error) {
    who.textContent = error.message;
    who.className = "bad";
  }
}

function startTheme() {
  const dark = matchMedia("(prefers-color-scheme: dark)");
  root.dataset.theme = dark.matches ? "dark" : "light";
  dark.addEventListener("change", () => { root.dataset.theme = dark.matches ? "dark" : "light"; });
  byId("theme").addEventListener("click", () => { root.dataset.theme = root.dataset.theme === "dark" ? "light" : "dark"; });
}

async function start() {
  startTheme();
  byId("filter").addEventListener("input", filter);
  byId("access").addEventListener("submit", checkToken);
  if (reading) { byId("other").textContent = "Try-it view"; byId("other").setAttribute("href", "docs"); }
  addEventListener("hashchange", openNamed);
  addEventListener("keydown", (event) => {
    if (event.key === "/" && !/^(INPUT|TEXTAREA|SELECT)$/.test(event.target.tagName)) {
      event.preventDefault();
      byId("filter").focus();
    }
  });
  try {
    const response = await fetch("openapi.json");
    if (!response.ok) throw new Error(`status ${response.status}`);
    spec = await response.json();
    draw();
  } catch (error) {
    byId("reference").replaceChildren(el("p", { class: "bad" }, `openapi.json cannot be read: ${error.message}`));
  }
}

start();
