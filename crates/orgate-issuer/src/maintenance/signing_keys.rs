//! The signing keys of an installation, looked at and rotated beside a running issuer or without one.

use std::sync::Arc;

use super::failed;
use crate::{
    clock::Clock,
    config::{Settings, StartError},
    db::{DatabaseUrl, Db},
    events::Actor,
    issuer::open_secrets,
    keys::{Algorithm, KeyInfo, Keys},
};

/// An installation that is looked after.
#[derive(Debug)]
pub struct Maintenance {
    pub(super) db: Db,
    pub(super) keys: Keys,
    pub(super) clock: Arc<dyn Clock>,
}

impl Maintenance {
    /// Opens what is there; nothing is made.
    ///
    /// # Errors
    /// [`StartError`] if there is no such database, or it cannot be opened.
    pub async fn open(settings: &Settings, clock: Arc<dyn Clock>) -> Result<Self, StartError> {
        let url = DatabaseUrl::parse(&settings.database).map_err(StartError::could_not_run)?;
        if url.file().is_some_and(|file| !file.exists()) {
            return Err(StartError::could_not_run(format!(
                "there is no database at `{}`\nhelp: name that of the issuer with `--database`",
                settings.database
            )));
        }
        let db = Db::open(&url, clock.now_ms()).await.map_err(failed)?;
        match open_secrets(settings, &url, &db).await {
            Ok(secrets) => Ok(Self { keys: Keys::new(db.clone(), Arc::new(secrets)), db, clock }),
            Err(error) => {
                db.close().await;
                Err(error)
            }
        }
    }

    /// The signing keys of all projects.
    ///
    /// # Errors
    /// [`StartError`] if the database cannot be read.
    pub async fn keys(&self) -> Result<Vec<KeyInfo>, StartError> {
        self.keys.list().await.map_err(failed)
    }

    /// Makes the next key of `project` (of all, if none is named) for `algorithm` (for those that have one, if none is
    /// named), and gives all keys. It signs after a day; `at_once` is for a key that leaked: the new one signs now and the
    /// old ones are gone.
    ///
    /// # Errors
    /// [`StartError`] if there is no such project or algorithm, if a next key is there already, or if the database cannot
    /// be written.
    pub async fn rotate_keys(
        &self,
        project: Option<&str>,
        algorithm: Option<&str>,
        at_once: bool,
    ) -> Result<Vec<KeyInfo>, StartError> {
        let algorithm = match algorithm {
            None => None,
            Some(name) => Some(Algorithm::parse(name).ok_or_else(|| {
                let names = Algorithm::ALL.map(|algorithm| format!("`{}`", algorithm.as_str())).join(", ");
                StartError::could_not_run(format!("there is no algorithm `{name}`\nhelp: one of {names}"))
            })?),
        };
        let mut wanted: Vec<(String, Algorithm)> = Vec::new();
        for key in self.keys().await? {
            let Some(of_key) = Algorithm::parse(key.algorithm) else { continue };
            let is_meant = project.is_none_or(|project| project == key.project)
                && algorithm.is_none_or(|algorithm| algorithm == of_key);
            let pair = (key.project, of_key);
            if is_meant && !wanted.contains(&pair) {
                wanted.push(pair);
            }
        }
        if wanted.is_empty() {
            return Err(StartError::could_not_run(
                "no project has such a key\nhelp: `orgate issuer keys list` shows them all",
            ));
        }
        for (project, algorithm) in wanted {
            let by = (Actor::System, self.clock.now_ms());
            self.keys.rotate(&project, algorithm, at_once, by).await.map_err(failed)?;
        }
        self.keys().await
    }

    /// Closes the database.
    pub async fn close(&self) {
        self.db.close().await;
    }
}
