"""Notes, one list for each organization. There is no line about signing in here: the sidecar lets nobody through who may not, and
says in headers who it is. So this listens on the loopback interface only, where nobody but the sidecar comes by."""

import html
import json
import os
import threading
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path
from urllib.parse import parse_qs

ACCOUNTS = os.environ.get("ACCOUNTS", "/auth/p/proj_notes")
STYLE = (Path(__file__).parent / "style.css").read_bytes()
MOST = 64 * 1024

notes = {}  # by the id of the organization
lock = threading.Lock()

PAGE = """<!doctype html>
<html lang="en">
<head>
<meta charset="utf-8">
<meta name="viewport" content="width=device-width, initial-scale=1">
<title>Notes of {slug}</title>
<link rel="stylesheet" href="/style.css">
</head>
<body>
<header>
<a class="brand" href="/">Notes</a>
<nav aria-label="Account">
<a class="org" href="{accounts}/enter?choose=1&amp;return_to=%2F" title="Switch organization">
<span class="mark" aria-hidden="true">{initial}</span><span class="name">{slug}</span><span class="switch">Switch</span></a>
<a href="{accounts}/account/security">Account</a>
<a href="{accounts}/logout">Sign out</a>
</nav>
</header>
<main>
<h1>Notes of {slug}</h1>
<p class="role">You are here as <strong>{role}</strong>. What you write is for this organization only.</p>
{form}
{list}
</main>
</body>
</html>
"""

FORM = """<form method="post" action="/orgs/{slug}/notes">
<label for="text">New note</label>
<div class="line"><input id="text" name="text" required maxlength="500" autocomplete="off" placeholder="For everybody here">
<button>Add</button></div>
</form>"""


class Notes(BaseHTTPRequestHandler):
    protocol_version = "HTTP/1.1"

    def do_GET(self):
        if self.path == "/healthz":
            self.answer(200, b"ok", "text/plain")
        elif self.path == "/style.css":
            self.answer(200, STYLE, "text/css", cache="max-age=300")
        elif self.path == "/":
            # The organization that the person works in; which one a tab is about is in its address from here on.
            self.answer(303, location=f"/orgs/{self.headers['X-Orgate-Org-Slug']}/notes")
        elif self.wants_json():
            self.answer(200, json.dumps([text for text, _ in self.own()]).encode(), "application/json")
        else:
            self.answer(200, self.page().encode(), "text/html; charset=utf-8")

    def do_POST(self):
        length = int(self.headers.get("Content-Length") or 0)
        if length > MOST:
            self.close_connection = True
            return self.answer(413)
        text = parse_qs(self.rfile.read(length).decode("utf-8", "replace")).get("text", [""])[0].strip()
        if not text:
            return self.answer(422, b"a note needs a text", "text/plain")
        with lock:
            notes.setdefault(self.headers["X-Orgate-Org-Id"], []).append((text, self.headers["X-Orgate-Sub"]))
        if self.wants_json():
            return self.answer(201, json.dumps({"text": text}).encode(), "application/json")
        self.answer(303, location=f"/orgs/{self.headers['X-Orgate-Org-Slug']}/notes")

    def wants_json(self):
        return self.headers["Accept"] == "application/json"

    def own(self):
        with lock:
            return list(reversed(notes.get(self.headers["X-Orgate-Org-Id"], [])))

    def page(self):
        slug, role = (html.escape(self.headers[f"X-Orgate-{name}"] or "") for name in ("Org-Slug", "Role"))
        may_write = "write" in (self.headers["X-Orgate-Permissions"] or "").replace(",", " ").split()
        me = self.headers["X-Orgate-Sub"]
        rows = "".join(f"<li><p>{html.escape(text)}</p><small>{'you' if author == me else html.escape(author)}</small></li>" for text, author in self.own())
        empty = '<p class="empty">No notes yet.</p>'
        return PAGE.format(
            slug=slug,
            initial=slug[:1].upper(),
            role=role,
            accounts=html.escape(ACCOUNTS),
            form=FORM.format(slug=slug) if may_write else "",
            list=f'<ul class="notes">{rows}</ul>' if rows else empty,
        )

    def answer(self, status, body=b"", kind=None, location=None, cache="no-store"):
        self.send_response(status)
        for name, value in (
            ("Content-Length", str(len(body))),
            ("Content-Type", kind),
            ("Location", location),
            ("Cache-Control", cache),
            ("Content-Security-Policy", "default-src 'none'; style-src 'self'; form-action 'self'; frame-ancestors 'none'; base-uri 'none'"),
            ("X-Content-Type-Options", "nosniff"),
        ):
            if value:
                self.send_header(name, value)
        self.end_headers()
        if self.command != "HEAD":
            self.wfile.write(body)

    do_HEAD = do_GET

    def log_message(self, *_):
        pass


if __name__ == "__main__":
    server = ThreadingHTTPServer(("127.0.0.1", int(os.environ.get("PORT", "3000"))), Notes)
    server.daemon_threads = True
    print(f"listening app http://127.0.0.1:{server.server_port}", flush=True)
    server.serve_forever()
