// The verifier of the standard itself, on what a running issuer has sent: HEADERS (JSON) and BODY, by SECRET and OLD_SECRET.
import { Webhook } from 'standardwebhooks'

const { SECRET, OLD_SECRET, HEADERS, BODY } = process.env
const headers = JSON.parse(HEADERS)
const held = step => console.log(`held: ${step}`)

function refused(step, secret, body, head) {
  try {
    new Webhook(secret).verify(body, head)
  } catch {
    return held(step)
  }
  throw new Error(`${step}: it was believed`)
}

const told = new Webhook(SECRET).verify(BODY, headers)
if (told.type !== 'organization.created') throw new Error(BODY)
held('a delivery')
new Webhook(OLD_SECRET).verify(BODY, headers)
held('the secret before')
refused('another body', SECRET, BODY.replace('created', 'deleted'), headers)
refused('another secret', 'whsec_' + Buffer.alloc(32, 7).toString('base64'), BODY, headers)
refused('another id', SECRET, BODY, { ...headers, 'webhook-id': 'evt_other' })
refused('another time', SECRET, BODY, { ...headers, 'webhook-timestamp': '1600000000' })
