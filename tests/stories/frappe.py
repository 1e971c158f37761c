"""Runs a receiver of webhooks that somebody else wrote for the Frappe framework, unchanged, with what little of that framework it uses.

Standard input: JSON with `code` (texts of Python, run in their order in one module), `body`, `headers`, and `configuration` (of the site). Standard output: JSON with
`answer` (of `handle_webhook`), `refused` (why it threw), `verified` (what each function that verifies says), and what was `inserted`, `published` and `logged`.
"""

import json
import sys
import types

asked = json.load(sys.stdin)
done = {"inserted": [], "published": [], "logged": []}


class PermissionDenied(Exception):
    pass


class Invalid(Exception):
    pass


class Headers(dict):
    """As of a request: whatever case a name is written in."""

    def get(self, name, default=None):
        return super().get(name.lower(), default)


class Request:
    headers = Headers(asked["headers"])

    @staticmethod
    def get_data(as_text=False):
        return asked["body"] if as_text else asked["body"].encode()


class Document(dict):
    name = "WA-0001"

    def insert(self, ignore_permissions=False):
        done["inserted"].append(self)
        return self


def throw(text, kind=Exception):
    raise kind(text)


frappe = types.ModuleType("frappe")
frappe.whitelist = lambda **_: lambda function: function
frappe.conf = asked["configuration"]
frappe.request = Request()
frappe.throw = throw
frappe.parse_json = json.loads
frappe.get_doc = Document
frappe.publish_realtime = lambda name, news: done["published"].append([name, news])
frappe.log_error = done["logged"].append
frappe.PermissionError = PermissionDenied
frappe.ValidationError = Invalid
sys.modules["frappe"] = frappe

module = {}
for text in asked["code"]:
    exec(compile(text, "example", "exec"), module)

signature = frappe.request.headers.get("X-Webhook-Signature", "")
secret = frappe.conf.get("frappe_webhook_secret")
done["verified"] = {
    name: module[name](asked["body"], signature, secret)
    for name in ("verify_webhook_signature", "verify_signature")
    if name in module
}
try:
    done["answer"] = module["handle_webhook"]()
except (PermissionDenied, Invalid) as error:
    done["refused"] = str(error)
json.dump(done, sys.stdout)
