"""An application that believes nobody but the gate."""

import json
import os
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer

import jwt

KEYS = jwt.PyJWKClient(os.environ["KEYS"])


def caller(method, path, headers):
    """The claims of who is calling; raises what PyJWT raises where there is nothing to believe."""
    token = headers.get("X-Orgate-Assertion", "")
    key = KEYS.get_signing_key_from_jwt(token).key
    claims = jwt.decode(token, key, algorithms=["ES256"], issuer="https://gate.example.com", audience="notes",
                        options={"require": ["exp", "iss", "aud", "sub", "htm", "htu"]})
    if (claims["htm"], claims["htu"]) != (method, path.partition("?")[0]):
        raise jwt.InvalidTokenError("it was made for another request")
    return claims


class App(BaseHTTPRequestHandler):
    def do_GET(self):
        try:
            status, answer = 200, caller(self.command, self.path, self.headers)
        except jwt.PyJWTError as error:
            status, answer = 401, {"error": str(error)}
        body = json.dumps(answer).encode()
        self.send_response(status)
        self.send_header("Content-Type", "application/json")
        self.send_header("Content-Length", str(len(body)))
        self.end_headers()
        self.wfile.write(body)

    def log_message(self, *_):
        pass


server = ThreadingHTTPServer(("127.0.0.1", int(os.environ["PORT"])), App)
print(f"listening app http://127.0.0.1:{server.server_port}", flush=True)
server.serve_forever()
