"""The verifier of the standard itself, on what a running issuer has sent: HEADERS (JSON) and BODY, by SECRET and OLD_SECRET."""

import base64
import json
import os

from standardwebhooks import Webhook, WebhookVerificationError

secret, old, body = os.environ["SECRET"], os.environ["OLD_SECRET"], os.environ["BODY"]
headers = json.loads(os.environ["HEADERS"])


def held(step):
    print(f"held: {step}", flush=True)


def refused(step, secret, body, headers):
    try:
        Webhook(secret).verify(body, headers)
    except WebhookVerificationError:
        return held(step)
    raise AssertionError(f"{step}: it was believed")


assert Webhook(secret).verify(body, headers)["type"] == "organization.created"
held("a delivery")
Webhook(old).verify(body, headers)
held("the secret before")
refused("another body", secret, body.replace("created", "deleted"), headers)
refused("another secret", "whsec_" + base64.b64encode(bytes([7] * 32)).decode(), body, headers)
refused("another id", secret, body, {**headers, "webhook-id": "evt_other"})
refused("another time", secret, body, {**headers, "webhook-timestamp": "1600000000"})
