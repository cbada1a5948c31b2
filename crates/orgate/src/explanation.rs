//! What each refusal means and what helps, for `orgate help CODE` and for the documentation.

use crate::Code;

impl Code {
    /// The code of this name.
    #[must_use]
    pub fn find(name: &str) -> Option<Self> {
        Self::ALL.into_iter().find(|code| code.as_str() == name)
    }

    /// What it means and what helps, in a few lines.
    #[must_use]
    pub fn explanation(self) -> &'static str {
        match self {
            Self::BadRequestTarget => {
                "The path or query could be read in two ways: `..`, `//`, `%2F`, `;`, an encoded letter, a segment that ends in\na dot, and the like. It is refused and never repaired, because the application might read it otherwise.\nSend the path in its plain form."
            }
            Self::BadRequest => {
                "The request cannot be judged: a method that is never served (TRACE, CONNECT), more than one credential, or a\ncredential that cannot be read. Send one credential, in the place that the policy names under `token:`."
            }
            Self::NoCredential => {
                "The rule needs a credential and the request has none. Send `Authorization: Bearer TOKEN`."
            }
            Self::InvalidToken => {
                "The token does not hold: wrong signature, algorithm, audience or type, not yet valid, or bound to a key. The\nlog of the gate says which."
            }
            Self::ExpiredToken => {
                "The token has ended. Refresh it. If it is fresh, compare the clocks; `leeway:` of an issuer is at most 5m."
            }
            Self::UnknownIssuer => {
                "The `iss` of the token is none of `issuers:` in the policy, compared byte by byte; a `/` at the end counts."
            }
            Self::MalformedClaim => {
                "A claim that the policy reads is missing or has another form than the policy says, such as a text where a list\nof permissions was expected. `orgate explain --claims JSON --issuer NAME` names the claim."
            }
            Self::Revoked => {
                "What the token says was withdrawn: the person, the session, the membership or the token. Sign in again."
            }
            Self::NoRule => {
                "No rule of the policy has this path, and what no rule covers is refused. Add a rule if it should be reached.\nWith `deny: {unmatched: 404}` it is answered as `not_found`."
            }
            Self::MethodNotCovered => {
                "Rules have this path, but none covers this method. Name the method in a rule if it should be reached."
            }
            Self::Denied => "The rule says `deny`: it lets nobody in, whatever the credential.",
            Self::NoActiveOrganization => {
                "The rule needs an active organization, and the token has none. Choose one at the issuer: the companion issuer\ntakes `org_id` at its token endpoint."
            }
            Self::OrganizationMismatch => {
                "The path speaks of another organization than the token. Ask with a token for that organization. A rule that is\nmeant for all of them says so: `unbound: [org_id]`."
            }
            Self::MissingPermission => {
                "The token lacks a permission that the rule demands; `missing` in the answer names it. `orgate explain` tells which\nroles hold it."
            }
            Self::MissingRole => {
                "The caller has none of the roles that the rule names. Rules that name permissions instead are easier to keep."
            }
            Self::ConditionFailed => {
                "Another condition of the rule does not hold; `required` in the answer shows it."
            }
            Self::Csrf => {
                "The credential came in a cookie, which a browser adds to whatever any page makes it send, and nothing shows that\nthe application's own page sent the request. Send `Sec-Fetch-Site: same-origin` or the application's `Origin`, as\nbrowsers do; other origins that may are named under `token: {csrf: {origins: […]}}`. Programs use `Authorization`."
            }
            Self::NotFound => {
                "There is nothing here, or nothing that the caller may know of: the policy hides what belongs to other\norganizations (`hide: true`) or what no rule covers (`deny: {unmatched: 404}`). The log has the real reason."
            }
            Self::StepUpRequired => {
                "The caller holds every right the rule asks for, but must sign in again: in one of the classes of `acr(…)`, or\nmore recently than `fresh(…)` says. The challenge names both (RFC 9470); send them as `acr_values` and `max_age`."
            }
            Self::ContentTooLarge => {
                "The request is a signed delivery, whose body is read before anything is decided, and it is larger than the\nauthenticator's `max_body`."
            }
            Self::RateLimited => {
                "The caller, or its organization, asked more often than the rule's `limit:` allows. `Retry-After` says when to\ntry again."
            }
            Self::StaleFeed => {
                "What the issuer has revoked is not known: the rule wants the caller's rights as they are now and the issuer could\nnot be asked (`fresh: live`), or its change feed was never read, or not for longer than `max_stale` under\n`on_stale: deny`. Try again; nothing was let through meanwhile. `/status` and the log say why."
            }
            Self::KeysUnavailable => {
                "The keys of the token's issuer were never loaded, so the token can be neither accepted nor refused. Try again;\n`/readyz` on the admin listener names the issuer and the reason."
            }
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn every_refusal_is_explained_in_lines_that_fit_a_terminal() {
        for code in Code::ALL {
            let text = code.explanation();
            assert!(text.len() > 50 && text.ends_with('.'), "{code}");
            assert!(text.lines().all(|line| line.chars().count() <= 120), "{code}");
            assert_eq!(Code::find(code.as_str()), Some(code));
        }
        assert_eq!(Code::find("nothing"), None);
    }
}
