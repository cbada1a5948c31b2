//! Applications that serve another method than the request line says.
//!
//! Rails, through Rack, reads `X-HTTP-Method-Override` of a `POST`. The rule: where the policy says that the application
//! does (`paths: {profile: rails}`), the method that it will serve is the one that is judged; everywhere else the header
//! never reaches it. Rack also reads `_method` of a form, which no gate sees that does not read bodies.

use http::{HeaderMap, HeaderName, Method};

use crate::{Code, GateParts, Rejection};

/// The header that overrides.
pub(crate) const HEADER: HeaderName = HeaderName::from_static("x-http-method-override");

/// What Rack takes for a method.
const METHODS: [&str; 9] = ["GET", "HEAD", "PUT", "POST", "DELETE", "OPTIONS", "PATCH", "LINK", "UNLINK"];

impl GateParts {
    /// Says that the application serves the method that `X-HTTP-Method-Override` of a `POST` names.
    #[must_use]
    pub fn method_override(mut self, honoured: bool) -> Self {
        self.method_override = honoured;
        self
    }

    /// The method that the application will serve, where it is not that of the request line.
    pub(crate) fn overridden(
        &self,
        method: &Method,
        headers: &HeaderMap,
    ) -> Result<Option<Method>, Rejection> {
        if !self.method_override || method != Method::POST {
            return Ok(None);
        }
        let mut values = headers.get_all(HEADER).iter();
        let value = match (values.next(), values.next()) {
            (None, _) => return Ok(None),
            (Some(value), None) => value.to_str().unwrap_or_default().to_ascii_uppercase(),
            (Some(_), Some(_)) => String::new(),
        };
        let known = METHODS.iter().find(|known| **known == value);
        match known.and_then(|known| Method::from_bytes(known.as_bytes()).ok()) {
            Some(method) => Ok(Some(method)),
            None => {
                let detail = "`X-HTTP-Method-Override` does not name one method";
                Err(Rejection::new(Code::BadRequest).with_detail(detail).rendered(self.deny))
            }
        }
    }
}
