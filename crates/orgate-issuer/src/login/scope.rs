//! Scopes that may be asked for.

/// What is known. Rights in an organization are not scopes: they follow the role.
pub(crate) const KNOWN: [&str; 4] = ["openid", "profile", "email", OFFLINE];

/// For use while the person is away: it outlives the session (OpenID Connect Core §11).
pub(crate) const OFFLINE: &str = "offline_access";

/// To act for the person here. It is only for clients that have it among their scopes.
pub(crate) const ACCOUNT: &str = "account";

/// What a scope begins with that names an organization.
pub(crate) const ORGANIZATION: &str = "org:";

/// The known ones of `asked`, each once, in the order they were asked for (RFC 6749 §3.3 lets the server grant less).
/// `own`: what the client may ask for beside them.
pub(crate) fn granted(asked: &str, own: &[String]) -> String {
    let mut granted: Vec<&str> = Vec::new();
    let may_act = own.iter().any(|one| one == ACCOUNT);
    for scope in asked.split(' ').filter(|scope| KNOWN.contains(scope) || (*scope == ACCOUNT && may_act)) {
        if !granted.contains(&scope) {
            granted.push(scope);
        }
    }
    granted.join(" ")
}

/// Whether `scope` is one of `scopes`.
pub(crate) fn has(scopes: &str, scope: &str) -> bool {
    scopes.split(' ').any(|own| own == scope)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_is_not_known_is_not_granted() {
        assert_eq!(granted("openid admin account email openid", &[]), "openid email");
        let own = ["account", "admin"].map(str::to_owned);
        assert_eq!(granted("openid admin account", &own), "openid account");
        assert_eq!(granted("", &own), "");
        assert!(has("openid email", "email") && !has("openid email", "e") && !has("", "openid"));
    }
}
