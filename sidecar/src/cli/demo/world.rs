//! Everything the demo runs, on free ports of this machine and in a temporary folder.

use std::{
    fs::{self, File},
    io::Write as _,
    path::{Path, PathBuf},
    sync::Arc,
};

use orgate::Gate;
use orgate_issuer::{Issuer, Settings, SystemClock};

use super::{
    app::{self, Seen},
    files,
};
use crate::{
    doors::{Hall, ProxyDoor},
    metrics::Metrics,
    serve::{self, Handler, Limits, Listener, Routed, Shutdown},
    upstream::{Upstream, UpstreamSettings},
};

/// The running demo. Ends with [`World::end`]; the folder goes with it.
pub(super) struct World {
    pub(super) issuer: String,
    pub(super) upstream: String,
    pub(super) sidecar: String,
    pub(super) layer: String,
    pub(super) policy: String,
    /// What reached the application behind the sidecar, and the one with the layer.
    pub(super) seen: [Seen; 2],
    folder: Folder,
    service: Issuer,
    running: Vec<tokio::task::JoinHandle<()>>,
    shutdown: Shutdown,
}

impl World {
    /// Starts issuer, application, sidecar, and the application with the layer.
    ///
    /// # Errors
    /// A sentence that says what could not be started.
    pub(super) async fn start(shutdown: Shutdown) -> Result<Self, String> {
        let folder = Folder::create()?;
        let mut running = Vec::new();

        let listener = bind("issuer").await?;
        let issuer = format!("{}/p/{}", listener.url(), files::PROJECT);
        let mut settings = Settings::new(listener.url());
        settings.database = format!("sqlite://{}", folder.path("issuer.db").display());
        settings.bootstrap = Some(folder.write("bootstrap.yaml", &files::bootstrap())?);
        let service = Issuer::open(settings, Arc::new(SystemClock))
            .await
            .map_err(|error| format!("the issuer does not start: {error}"))?;
        running.push(start(listener, Routed::new(service.router()), &shutdown));

        let policy = files::policy(&issuer);
        let policy_file = folder.write("orgate.yaml", &policy)?;
        let seen = [Seen::default(), Seen::default()];

        let listener = bind("upstream").await?;
        let upstream = listener.url();
        running.push(start(listener, Routed::new(app::behind_sidecar(seen[0].clone())), &shutdown));

        let listener = bind("proxy").await?;
        let sidecar = listener.url();
        running.push(start(listener, door(&load(&policy_file).await?, &upstream)?, &shutdown));

        let listener = bind("layer").await?;
        let layer = listener.url();
        let protected = load(&policy_file).await?.protect(app::behind_layer(seen[1].clone()));
        running.push(start(listener, Routed::new(protected), &shutdown));

        Ok(Self { issuer, upstream, sidecar, layer, policy, seen, folder, service, running, shutdown })
    }

    /// Keeps the tokens in files, so that commands stay short. Returns the name of the file for `role`.
    ///
    /// # Errors
    /// A sentence that says which file could not be written.
    pub(super) fn keep_token(&self, role: &str, token: &str) -> Result<PathBuf, String> {
        self.folder.write(&format!("{role}.token"), token)
    }

    /// Stops everything and removes the folder.
    pub(super) async fn end(self) {
        self.service.release();
        self.shutdown.abort();
        for task in self.running {
            let _ = task.await;
        }
        self.service.shutdown().await;
        drop(self.folder);
    }
}

async fn bind(name: &'static str) -> Result<Listener, String> {
    Listener::bind(name, "127.0.0.1:0", "--listen").await.map_err(|error| error.to_string())
}

fn start(
    listener: Listener,
    handler: impl Handler + Sync,
    shutdown: &Shutdown,
) -> tokio::task::JoinHandle<()> {
    tokio::spawn(serve::serve(listener, handler, Limits::default(), shutdown.clone()))
}

async fn load(policy: &Path) -> Result<Gate, String> {
    let gate = Gate::load(policy).await.map_err(|error| error.render(false))?;
    gate.ready().await;
    Ok(gate)
}

fn door(gate: &Gate, upstream: &str) -> Result<ProxyDoor, String> {
    let upstream = Upstream::new(upstream, UpstreamSettings::default()).map_err(|error| error.to_string())?;
    let metrics = Metrics::new(gate.parts().policy().rules().map(|(rule, _)| rule));
    Ok(ProxyDoor::new(Hall::new(gate.clone(), Arc::new(metrics), None), upstream))
}

/// A folder that only this user can read, removed when dropped.
struct Folder(PathBuf);

impl Folder {
    fn create() -> Result<Self, String> {
        for attempt in 0..100 {
            let path = std::env::temp_dir().join(format!("orgate-demo-{}-{attempt}", std::process::id()));
            let mut builder = fs::DirBuilder::new();
            #[cfg(unix)]
            std::os::unix::fs::DirBuilderExt::mode(&mut builder, 0o700);
            match builder.create(&path) {
                Ok(()) => return Ok(Self(path)),
                Err(error) if error.kind() == std::io::ErrorKind::AlreadyExists => {}
                Err(error) => return Err(format!("cannot make the folder `{}`: {error}", path.display())),
            }
        }
        Err("cannot make a temporary folder: a hundred names are taken".to_owned())
    }

    fn path(&self, name: &str) -> PathBuf {
        self.0.join(name)
    }

    fn write(&self, name: &str, text: &str) -> Result<PathBuf, String> {
        let path = self.path(name);
        let write = || File::create(&path)?.write_all(text.as_bytes());
        write().map_err(|error| format!("cannot write `{}`: {error}", path.display()))?;
        Ok(path)
    }
}

impl Drop for Folder {
    fn drop(&mut self) {
        let _ = fs::remove_dir_all(&self.0);
    }
}
