"""requests-oauthlib (PyPI): a confidential client; strict about scopes that change."""

import jwt
from oauthlib.oauth2 import InvalidGrantError
from person import AFTER_LOGOUT, AUDIENCE, CALLBACK, CLIENT_ID, CLIENT_SECRET, ISSUER, Person, requests, step
from requests.auth import HTTPBasicAuth
from requests_oauthlib import OAuth2Session

with step("discovery"):
    server = requests.get(f"{ISSUER}/.well-known/openid-configuration", timeout=10).json()
keys = jwt.PyJWKClient(server["jwks_uri"])


def organization(token):
    key = keys.get_signing_key_from_jwt(token).key
    return jwt.decode(token, key, algorithms=["ES256"], audience=AUDIENCE, issuer=ISSUER)["org_id"]


proof = HTTPBasicAuth(CLIENT_ID, CLIENT_SECRET)
session = OAuth2Session(CLIENT_ID, scope=["openid", "email"], redirect_uri=CALLBACK, pkce="S256")
asked, _ = session.authorization_url(server["authorization_endpoint"])
dana = Person(organization="org_globex")
with step("login and picker"):
    back, _ = dana.goes(asked, CALLBACK)
with step("code"):
    tokens = session.fetch_token(server["token_endpoint"], authorization_response=back, auth=proof)
    assert organization(tokens["access_token"]) == "org_globex"
with step("userinfo"):
    assert session.get(server["userinfo_endpoint"]).json()["email"] == "dana@example.com"
with step("refresh"):
    tokens = session.refresh_token(server["token_endpoint"], auth=proof)
    assert organization(tokens["access_token"]) == "org_globex"
with step("organization switch"):
    tokens = session.refresh_token(server["token_endpoint"], auth=proof, org_id="org_acme")
    assert organization(tokens["access_token"]) == "org_acme"
with step("revocation"):
    answer = requests.post(server["revocation_endpoint"], auth=proof, data={"token": tokens["refresh_token"]}, timeout=10)
    assert answer.status_code == 200
    try:
        session.refresh_token(server["token_endpoint"], auth=proof)
        raise AssertionError("a revoked token was taken")
    except InvalidGrantError:
        pass
with step("logout"):
    query = {"id_token_hint": tokens["id_token"], "post_logout_redirect_uri": AFTER_LOGOUT}
    dana.goes(requests.Request("GET", server["end_session_endpoint"], params=query).prepare().url, AFTER_LOGOUT)
    _, pages = dana.goes(asked, CALLBACK)
    assert any(page.endswith("/login") for page in pages), pages
