"""Authlib (PyPI): a confidential client, Basic, PKCE."""

import jwt
from authlib.common.security import generate_token
from authlib.integrations.base_client.errors import OAuthError
from authlib.integrations.requests_client import OAuth2Session
from person import AFTER_LOGOUT, AUDIENCE, CALLBACK, CLIENT_ID, CLIENT_SECRET, ISSUER, Person, requests, step

with step("discovery"):
    server = requests.get(f"{ISSUER}/.well-known/openid-configuration", timeout=10).json()
    assert server["issuer"] == ISSUER

keys = jwt.PyJWKClient(server["jwks_uri"])


def read(token, audience=AUDIENCE):
    key = keys.get_signing_key_from_jwt(token)
    return jwt.decode(token, key.key, algorithms=["ES256", "RS256"], audience=audience, issuer=ISSUER)


session = OAuth2Session(
    CLIENT_ID, CLIENT_SECRET, scope="openid email", redirect_uri=CALLBACK, code_challenge_method="S256",
    token_endpoint_auth_method="client_secret_basic",
)
verifier = generate_token(48)
nonce = generate_token()
asked, state = session.create_authorization_url(server["authorization_endpoint"], code_verifier=verifier, nonce=nonce)
dana = Person()
with step("login and picker"):
    back, pages = dana.goes(asked, CALLBACK)
    assert [page.rsplit("/", 1)[1] for page in pages] == ["login", "choose"], pages
with step("code"):
    tokens = session.fetch_token(server["token_endpoint"], authorization_response=back, state=state, code_verifier=verifier)
    assert read(tokens["access_token"])["org_id"] == "org_acme"
    assert read(tokens["id_token"], audience=CLIENT_ID)["nonce"] == nonce
with step("userinfo"):
    assert session.get(server["userinfo_endpoint"]).json()["email"] == "dana@example.com"
with step("refresh"):
    tokens = session.refresh_token(server["token_endpoint"], refresh_token=tokens["refresh_token"])
    assert read(tokens["access_token"])["org_id"] == "org_acme"
with step("organization switch"):
    tokens = session.refresh_token(server["token_endpoint"], refresh_token=tokens["refresh_token"], org_id="org_globex")
    assert read(tokens["access_token"])["org_role"] == "viewer"
with step("introspection"):
    about = session.introspect_token(server["introspection_endpoint"], token=tokens["access_token"]).json()
    assert (about["active"], about["org_id"]) == (True, "org_globex"), about
with step("revocation"):
    answer = session.revoke_token(server["revocation_endpoint"], token=tokens["refresh_token"])
    assert answer.status_code == 200
    try:
        session.refresh_token(server["token_endpoint"], refresh_token=tokens["refresh_token"])
        raise AssertionError("a revoked token was taken")
    except OAuthError as error:
        assert error.error == "invalid_grant"
with step("logout"):
    query = {"id_token_hint": tokens["id_token"], "post_logout_redirect_uri": AFTER_LOGOUT}
    out = requests.Request("GET", server["end_session_endpoint"], params=query).prepare().url
    dana.goes(out, AFTER_LOGOUT)
    _, pages = dana.goes(asked, CALLBACK)
    assert any(page.endswith("/login") for page in pages), pages
