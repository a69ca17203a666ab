#!/usr/bin/env python3
"""Writes chat-templates.json beside itself: templates, what they are given, and what jinja2 makes of them.

Two lists: small snippets (jinja_snippets.py), and chat templates of the shapes that models carry (chat_templates.py)
rendered with conversations. An expected text is null where jinja2 ends in an error. The environment is that of
transformers' apply_chat_template: the immutable sandbox, trim_blocks, lstrip_blocks, loop controls, a tojson that
leaves HTML alone, raise_exception and strftime_now (with a fixed time). Needs PyPI jinja2 (3.1.6 made these).
"""

import datetime
import json
import os

import jinja2
import jinja2.ext
import jinja2.nodes
import jinja2.sandbox

import chat_templates
import jinja_snippets

NOW = datetime.datetime(2024, 7, 26, 9, 5, 3)


class Generation(jinja2.ext.Extension):
    """{% generation %} marks the assistant's text; here it only writes its body, in a scope of its own."""

    tags = {"generation"}

    def parse(self, parser):
        line = next(parser.stream).lineno
        body = parser.parse_statements(["name:endgeneration"], drop_needle=True)
        return jinja2.nodes.CallBlock(self.call_method("_write"), [], [], body).set_lineno(line)

    def _write(self, caller):
        return caller()


def raise_exception(message):
    raise jinja2.TemplateError(message)


def tojson(value, ensure_ascii=False, indent=None, separators=None, sort_keys=False):
    return json.dumps(value, ensure_ascii=ensure_ascii, indent=indent, separators=separators, sort_keys=sort_keys)


def make_environment():
    out = jinja2.sandbox.ImmutableSandboxedEnvironment(
        trim_blocks=True, lstrip_blocks=True, extensions=[jinja2.ext.loopcontrols, Generation]
    )
    out.filters["tojson"] = tojson
    out.globals["raise_exception"] = raise_exception
    out.globals["strftime_now"] = NOW.strftime
    return out


def render(environment, source, variables):
    try:
        return environment.from_string(source).render(**json.loads(json.dumps(variables)))
    except Exception:
        return None


def main():
    environment = make_environment()
    snippets = []
    for source in jinja_snippets.SNIPPETS:
        text = render(environment, source, jinja_snippets.VARIABLES)
        if text is None or " at 0x" not in text:  # an address is no golden
            snippets.append([source, text])
    cases = []
    for name, source in chat_templates.TEMPLATES.items():
        for conversation, variables in chat_templates.CONVERSATIONS.items():
            full = {**chat_templates.COMMON, "add_generation_prompt": False, "tools": None, "documents": None, **variables}
            cases.append([name, conversation, render(environment, source, full)])
    golden = {
        "jinja2": jinja2.__version__,
        "now": NOW.strftime("%Y-%m-%d %H:%M:%S"),
        "variables": jinja_snippets.VARIABLES,
        "snippets": snippets,
        "templates": chat_templates.TEMPLATES,
        "common": chat_templates.COMMON,
        "conversations": chat_templates.CONVERSATIONS,
        "cases": cases,
    }
    path = os.path.join(os.path.dirname(os.path.abspath(__file__)), "chat-templates.json")
    with open(path, "w", encoding="utf-8", newline="\n") as file:
        file.write("{\n")
        for i, (key, value) in enumerate(golden.items()):
            file.write((",\n" if i else "") + json.dumps(key) + ": ")
            if isinstance(value, list):
                file.write("[\n" + ",\n".join(json.dumps(row, ensure_ascii=False) for row in value) + "\n]")
            else:
                file.write(json.dumps(value, ensure_ascii=False))
        file.write("\n}\n")
    errors = sum(row[-1] is None for row in snippets), sum(row[-1] is None for row in cases)
    print(f"{len(snippets)} snippets ({errors[0]} errors), {len(cases)} conversations ({errors[1]} errors)")


main()
