import assert from "node:assert/strict";
import { test } from "node:test";
import { render, renderText } from "../../lib/render";

void test("values are inserted as they are, without HTML escaping", () => {
  assert.equal(renderText("{{a}} {{{a}}}", { a: "<&'\">" }, "t"), "<&'\"> <&'\">");
});

void test("a variable that the view lacks is an error that names it", () => {
  assert.throws(() => renderText("{{missing}}", {}, "some.sh"), /some\.sh: variable missing/);
  assert.throws(() => renderText("{{#list}}{{inner}}{{/list}}", { list: [{ other: 1 }] }, "t"), /variable inner/);
});

void test("a value that the template never uses is an error that names it", () => {
  assert.throws(() => renderText("{{a}}", { a: "1", typo: "2" }, "t"), /never uses typo/);
});

void test("sections repeat for lists and choose by booleans", () => {
  const template = "{{#ports}}Port {{.}};{{/ports}}{{^off}}on{{/off}}{{#files}}{{name}}{{/files}}";
  const view = { ports: [1, 2], off: false, files: [{ name: "x" }, { name: "y" }] };
  assert.equal(renderText(template, view, "t"), "Port 1;Port 2;onxy");
});

void test("a partial is refused: every file is rendered by itself", () => {
  assert.throws(() => renderText("{{>other}}", {}, "t"), /tag ">" is not used here/);
});

void test("a template that doesn't exist is an error that names it", () => {
  assert.throws(() => render("layers/nothing.sh", {}), /nothing\.sh/);
});
