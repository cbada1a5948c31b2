"""A person at a browser: keeps cookies, follows redirects, fills in the forms of the hosted pages."""

import os
from contextlib import contextmanager
from html.parser import HTMLParser
from urllib.parse import urljoin, urlsplit

import requests

ISSUER = os.environ["ISSUER"]
CLIENT_ID = os.environ["CLIENT_ID"]
CLIENT_SECRET = os.environ["CLIENT_SECRET"]
CALLBACK = os.environ["CALLBACK"]
AFTER_LOGOUT = os.environ["AFTER_LOGOUT"]
AUDIENCE = "demo-api"

# Both libraries refuse plain http unless they are told that it is a test.
os.environ["AUTHLIB_INSECURE_TRANSPORT"] = os.environ["OAUTHLIB_INSECURE_TRANSPORT"] = "1"


@contextmanager
def step(name):
    """One step; says that it held, and the test wants all of a client's steps."""
    yield
    print(f"held: {name}", flush=True)


class _Form(HTMLParser):
    """Action and fields of the first form that is posted; of several fields of one name, the first."""

    def __init__(self):
        super().__init__()
        self.action, self.fields, self._inside = None, {}, False

    def handle_starttag(self, tag, attributes):
        values = dict(attributes)
        if tag == "form" and self.action is None and values.get("method") == "post":
            self.action, self._inside = values.get("action") or "", True
        elif tag in ("input", "button") and self._inside and values.get("name"):
            self.fields.setdefault(values["name"], values.get("value") or "")

    def handle_endtag(self, tag):
        if tag == "form":
            self._inside = False


class Person:
    def __init__(self, email="dana@example.com", password="correct horse battery", organization="org_acme"):
        self._answers = {"email": email, "password": password, "org_id": organization}
        self._browser = requests.Session()
        self._browser.headers["Sec-Fetch-Site"] = "same-origin"

    def goes(self, url, target):
        """Goes from `url` until a redirect leads to `target`; gives that address and the pages seen."""
        pages, response = [], self._browser.get(url, allow_redirects=False)
        for _ in range(20):
            if location := response.headers.get("location"):
                url = urljoin(url, location)
                if url.startswith(target):
                    return url, pages
                response = self._browser.get(url, allow_redirects=False)
                continue
            assert response.status_code == 200, (url, response.status_code, response.text)
            pages.append(urlsplit(url).path)
            form = _Form()
            form.feed(response.text)
            assert form.action is not None, (url, response.text)
            for name, answer in self._answers.items():
                if name in form.fields:
                    form.fields[name] = answer
            url = urljoin(url, form.action)
            response = self._browser.post(url, data=form.fields, allow_redirects=False)
        raise AssertionError(f"no way to {target}, last at {url}")
