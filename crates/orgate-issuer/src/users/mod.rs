//! End users of a project. The same address in two projects is two users.

mod queries;

use crate::{
    address::Address,
    db::{Conn, DbError, Tx},
    http::paging::Page,
};

/// An end user.
#[derive(Clone, Debug)]
pub(crate) struct User {
    pub(crate) id: String,
    pub(crate) email: String,
    pub(crate) email_verified: bool,
    pub(crate) name: Option<String>,
    pub(crate) password_phc: Option<String>,
    pub(crate) active: bool,
    pub(crate) created_at: i64,
}

/// Which users are listed.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub(crate) struct Filter {
    /// The beginning of the addresses, as they are compared; empty is any.
    pub(crate) prefix: String,
    pub(crate) active: Option<bool>,
}

impl Filter {
    /// What a page's cursor says of a user: the list stands in the order of it.
    pub(crate) fn place(&self, user: &User) -> String {
        if self.prefix.is_empty() {
            return user.id.clone();
        }
        Address::parse(&user.email).map(|address| address.key().to_owned()).unwrap_or_default()
    }
}

/// A user to be stored.
#[derive(Clone, Debug)]
pub(crate) struct NewUser {
    pub(crate) id: String,
    pub(crate) address: Address,
    pub(crate) email_verified: bool,
    pub(crate) name: Option<String>,
    pub(crate) password_phc: Option<String>,
}

/// The user `id` of the project.
pub(crate) async fn find(conn: &mut Conn, project_id: &str, id: &str) -> Result<Option<User>, DbError> {
    queries::find(conn, project_id, id).await
}

/// The user of the project with this address.
pub(crate) async fn find_by_address(
    conn: &mut Conn,
    project_id: &str,
    address: &Address,
) -> Result<Option<User>, DbError> {
    queries::find_by_address(conn, project_id, address.key()).await
}

/// The users of a project, by id; or by address, where a beginning of it is asked for.
pub(crate) async fn list(
    conn: &mut Conn,
    project_id: &str,
    filter: &Filter,
    page: &Page,
) -> Result<Vec<User>, DbError> {
    match (filter.prefix.is_empty(), filter.active) {
        (false, _) => queries::list_found(conn, project_id, filter, page).await,
        (true, Some(false)) => queries::list_suspended(conn, project_id, page).await,
        (true, active) => queries::list(conn, project_id, active.is_some(), page).await,
    }
}

/// Stores a new user; `false` if the address or the id is taken.
pub(crate) async fn create(
    tx: &mut Tx,
    project_id: &str,
    user: &NewUser,
    now_ms: i64,
) -> Result<bool, DbError> {
    queries::insert(tx, project_id, user, now_ms).await
}

/// Whether the user may still sign in: active, and with `password_phc` the password that was checked before the
/// transaction. Until the commit nobody changes that: what ends the sessions of a user finds the one that is being made.
pub(crate) async fn hold(tx: &mut Tx, id: &str, password_phc: Option<&str>) -> Result<bool, DbError> {
    queries::hold(tx, id, password_phc).await
}

/// Stores another password hash.
pub(crate) async fn set_password(
    tx: &mut Tx,
    id: &str,
    password_phc: &str,
    now_ms: i64,
) -> Result<(), DbError> {
    queries::set_password(tx, id, password_phc, now_ms).await
}

/// Notes that the user's address has proven to be theirs.
pub(crate) async fn set_verified(tx: &mut Tx, id: &str, now_ms: i64) -> Result<(), DbError> {
    queries::set_verified(tx, id, now_ms).await
}

/// Stores what a bootstrap file says about a known user.
pub(crate) async fn set_profile(
    tx: &mut Tx,
    id: &str,
    name: Option<&str>,
    email_verified: bool,
    now_ms: i64,
) -> Result<(), DbError> {
    queries::set_profile(tx, id, name, email_verified, now_ms).await
}

/// Suspends a user, or ends that; `false` if it is so already, or there is no such user.
pub(crate) async fn set_active(
    tx: &mut Tx,
    project_id: &str,
    id: &str,
    active: bool,
    now_ms: i64,
) -> Result<bool, DbError> {
    queries::set_active(tx, project_id, id, active, now_ms).await
}
