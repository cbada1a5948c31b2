//! What all routes share: bodies in, problems and pages out, cookies, and who may send what from where.

pub(crate) mod body;
pub(crate) mod brand;
pub(crate) mod cookies;
pub(crate) mod csrf;
pub(crate) mod etag;
pub(crate) mod language;
pub(crate) mod messages;
mod mistake;
pub(crate) mod page;
pub(crate) mod paging;
pub(crate) mod path;
pub(crate) mod peer;
pub(crate) mod posted;
pub(crate) mod problem;
pub(crate) mod redirect;

pub(crate) use self::problem::Problem;
