//! `GET /p/{project}/logo`: the logo of a project, which its pages show.
//!
//! It is kept here, so that a page asks nobody else for anything. It comes as a `data:` URL and is a PNG or a JPEG by its own
//! first bytes: pictures that can hold scripts or links (SVG) are none.

use aws_lc_rs::digest::{SHA256, digest};
use axum::{
    extract::{Path, State},
    response::{IntoResponse as _, Response},
};
use base64::{Engine as _, engine::general_purpose::STANDARD};
use http::{HeaderName, HeaderValue, header};
use serde_json::Value;

use super::queries;
use crate::{
    app::Shared,
    http::{Problem, body::Object, problem::Code},
    openapi::{Routes, get, public, text},
};

/// The largest logo, in bytes.
const MAX_BYTES: usize = 32 * 1024;
/// The most pixels of an edge.
const MAX_EDGE: u32 = 2048;
const TAG: usize = 16;
const PNG: &[u8] = b"\x89PNG\r\n\x1a\n";

pub(super) fn router() -> Routes {
    let picture = public("readProjectLogo", "The logo of a project")
        .query("v", text())
        .answers(200, "The picture.", Some(("image/*", text())), &["Content-Security-Policy"])
        .refuses(&[Code::NotFound]);
    Routes::new().at("/p/{project}/logo", get(show, picture))
}

/// Where the logo is, below the public URL.
pub(crate) fn path(project_id: &str, tag: &str) -> String {
    format!("/p/{project_id}/logo?v={tag}")
}

/// A picture that may be shown.
#[derive(Clone)]
pub(crate) struct Logo {
    media_type: &'static str,
    bytes: Vec<u8>,
}

impl Logo {
    /// The logo in a body, if there is one; `null` takes it away.
    pub(super) fn read(body: &mut Object) -> Result<Option<Option<Self>>, Problem> {
        match body.nullable("logo") {
            None => Ok(None),
            Some(Value::Null) => Ok(Some(None)),
            Some(value) => match value.as_str().and_then(Self::parse) {
                Some(logo) => Ok(Some(Some(logo))),
                None => Err(Problem::invalid(
                    "logo",
                    "is a PNG or JPEG of at most 32 KiB and 2048 by 2048 pixels, as a `data:` URL in base64, or null",
                )),
            },
        }
    }

    fn parse(url: &str) -> Option<Self> {
        let (media_type, content) = url.strip_prefix("data:")?.split_once(";base64,")?;
        if content.len() > MAX_BYTES.div_ceil(3) * 4 {
            return None;
        }
        let bytes = STANDARD.decode(content).ok().filter(|bytes| bytes.len() <= MAX_BYTES)?;
        let (found, size) = if bytes.starts_with(PNG) {
            ("image/png", png_size(&bytes)?)
        } else {
            ("image/jpeg", jpeg_size(&bytes)?)
        };
        let fits = |edge: u32| (1..=MAX_EDGE).contains(&edge);
        (found == media_type && fits(size.0) && fits(size.1)).then_some(Self { media_type: found, bytes })
    }

    /// Its media type and its bytes in base64.
    pub(super) fn stored(&self) -> (&'static str, String) {
        (self.media_type, STANDARD.encode(&self.bytes))
    }

    /// Another one for other bytes.
    pub(super) fn tag(&self) -> String {
        let hash = digest(&SHA256, &self.bytes);
        hash.as_ref().iter().take(TAG / 2).map(|byte| format!("{byte:02x}")).collect()
    }
}

fn number(bytes: &[u8]) -> Option<u32> {
    bytes.iter().try_fold(0_u32, |number, byte| number.checked_mul(256)?.checked_add(u32::from(*byte)))
}

/// Width and height, from the first chunk (ISO/IEC 15948 §11.2.2).
fn png_size(bytes: &[u8]) -> Option<(u32, u32)> {
    if bytes.get(12..16)? != b"IHDR" {
        return None;
    }
    Some((number(bytes.get(16..20)?)?, number(bytes.get(20..24)?)?))
}

/// Width and height, from the header of the first frame (ITU-T T.81 §B.2.2).
fn jpeg_size(bytes: &[u8]) -> Option<(u32, u32)> {
    let mut rest = bytes.strip_prefix(b"\xff\xd8")?;
    loop {
        let [0xff, marker, segment @ ..] = rest else { return None };
        let length = usize::try_from(number(segment.get(..2)?)?).ok()?;
        if matches!(marker, 0xc0..=0xcf) && ![0xc4, 0xc8, 0xcc].contains(marker) {
            return Some((number(segment.get(5..7)?)?, number(segment.get(3..5)?)?));
        }
        // Two bytes of length are the least, or the picture would never end.
        rest = segment.get(length.max(2)..)?;
    }
}

async fn show(State(app): State<Shared>, Path(project): Path<String>) -> Result<Response, Problem> {
    let found = queries::logo(&mut *app.db.read().await?, &project).await?;
    let (media_type, content) = found.ok_or(Code::NotFound)?;
    let mut response = STANDARD.decode(content).map_err(|_| Code::Internal)?.into_response();
    let kind = HeaderValue::from_str(&media_type).map_err(|_| Code::Internal)?;
    let headers = response.headers_mut();
    headers.insert(header::CONTENT_TYPE, kind);
    for (name, value) in [
        // Another logo has another address.
        (header::CACHE_CONTROL, "public, max-age=31536000, immutable"),
        (header::X_CONTENT_TYPE_OPTIONS, "nosniff"),
        (header::CONTENT_SECURITY_POLICY, "default-src 'none'; sandbox"),
        (HeaderName::from_static("cross-origin-resource-policy"), "same-origin"),
    ] {
        headers.insert(name, HeaderValue::from_static(value));
    }
    Ok(response)
}

#[cfg(test)]
mod tests {
    use super::*;

    fn png(width: u32, height: u32, more: usize) -> Vec<u8> {
        let mut bytes = [PNG, b"\0\0\0\x0dIHDR", &width.to_be_bytes(), &height.to_be_bytes()].concat();
        bytes.resize(bytes.len() + more, 0);
        bytes
    }

    fn read(kind: &str, bytes: &[u8]) -> Option<(u32, u32)> {
        let logo = Logo::parse(&format!("data:{kind};base64,{}", STANDARD.encode(bytes)))?;
        if logo.media_type == "image/png" { png_size(&logo.bytes) } else { jpeg_size(&logo.bytes) }
    }

    #[test]
    fn a_logo_is_a_small_png_or_jpeg_by_its_own_bytes() {
        assert_eq!(read("image/png", &png(120, 40, 9)), Some((120, 40)));
        let jpeg = b"\xff\xd8\xff\xe0\x00\x04ab\xff\xc0\x00\x0b\x08\x00\x28\x00\x78\x01";
        assert_eq!(read("image/jpeg", jpeg), Some((120, 40)));
        for (kind, bytes) in [
            ("image/jpeg", png(120, 40, 9)),
            ("image/png", jpeg.to_vec()),
            ("image/svg+xml", b"<svg xmlns='http://www.w3.org/2000/svg' onload='alert(1)'/>".to_vec()),
            ("image/png", b"<script>".to_vec()),
            ("text/html", png(1, 1, 0)),
            ("image/png", png(0, 40, 0)),
            ("image/png", png(2049, 40, 0)),
            ("image/png", png(40, u32::MAX, 0)),
            ("image/png", png(40, 40, MAX_BYTES)),
            ("image/png", PNG.to_vec()),
            ("image/jpeg", b"\xff\xd8\xff\xe0\x00\x00\x00\x00".to_vec()),
            ("image/jpeg", b"\xff\xd8".to_vec()),
        ] {
            assert_eq!(read(kind, &bytes), None, "{kind} {}", bytes.len());
        }
        for bad in [
            "https://example.com/logo.png",
            "javascript:alert(1)",
            "data:image/png,x",
            "data:image/png;base64,!",
            "",
        ] {
            assert!(Logo::parse(bad).is_none(), "{bad}");
        }
    }
}
