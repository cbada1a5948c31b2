//! TLS on the listener: what is spoken, who is let in, and what happens when the files change.

use std::{
    path::{Path, PathBuf},
    sync::atomic::{AtomicU32, Ordering},
};

use orgate_testkit::Certificate;
use rustls::{
    ClientConfig, HandshakeKind, RootCertStore,
    crypto::aws_lc_rs,
    pki_types::{CertificateDer, PrivateKeyDer, ServerName},
};
use tokio::sync::{Notify, mpsc};
use tokio_rustls::{TlsConnector, client::TlsStream};

use super::*;
use crate::serve::tls::{ClientCertificates, TlsFiles};

/// A folder with the files of a listener, gone after the test.
pub(super) struct Folder(PathBuf);

impl Folder {
    pub(super) fn new() -> Self {
        static NEXT: AtomicU32 = AtomicU32::new(0);
        let number = NEXT.fetch_add(1, Ordering::Relaxed);
        let folder = std::env::temp_dir().join(format!("orgate-tls-{}-{number}", std::process::id()));
        std::fs::create_dir_all(&folder).expect("a folder");
        Self(folder)
    }

    pub(super) fn write(&self, name: &str, text: &str) -> PathBuf {
        let path = self.0.join(name);
        std::fs::write(&path, text).expect("written");
        path
    }

    pub(super) fn files(&self, certificate: &Certificate) -> TlsFiles {
        TlsFiles {
            certificate: self.write("server.pem", &certificate.pem()),
            key: self.write("server.key", &certificate.key_pem()),
            http2: true,
            clients: None,
        }
    }

    pub(super) fn with_clients(
        &self,
        certificate: &Certificate,
        authority: &Certificate,
        required: bool,
    ) -> TlsFiles {
        let authorities = self.write("clients.pem", &authority.pem());
        TlsFiles { clients: Some(ClientCertificates { authorities, required }), ..self.files(certificate) }
    }
}

impl Drop for Folder {
    fn drop(&mut self) {
        let _ = std::fs::remove_dir_all(&self.0);
    }
}

/// A client that believes `authority`, and shows `own` if there is one.
pub(super) fn trusting(
    authority: &Certificate,
    own: Option<&Certificate>,
    alpn: &[&str],
) -> Arc<ClientConfig> {
    let mut roots = RootCertStore::empty();
    roots.add(CertificateDer::from(authority.der().to_vec())).expect("an authority");
    let builder = ClientConfig::builder_with_provider(Arc::new(aws_lc_rs::default_provider()))
        .with_safe_default_protocol_versions()
        .expect("versions")
        .with_root_certificates(roots);
    let mut config = match own {
        None => builder.with_no_client_auth(),
        Some(own) => {
            let key = PrivateKeyDer::try_from(own.key_der().to_vec()).expect("a key");
            builder.with_client_auth_cert(vec![own.der().to_vec().into()], key).expect("a certificate")
        }
    };
    config.alpn_protocols = alpn.iter().map(|name| name.as_bytes().to_vec()).collect();
    Arc::new(config)
}

pub(super) async fn handshake(
    address: SocketAddr,
    config: &Arc<ClientConfig>,
) -> std::io::Result<TlsStream<TcpStream>> {
    handshake_over(TcpStream::connect(address).await?, config).await
}

pub(super) async fn handshake_over(
    stream: TcpStream,
    config: &Arc<ClientConfig>,
) -> std::io::Result<TlsStream<TcpStream>> {
    let name = ServerName::try_from("localhost").expect("a name");
    within(TlsConnector::from(Arc::clone(config)).connect(name, stream)).await
}

async fn serving(upstream: SocketAddr, files: TlsFiles) -> (Sidecar, Tls) {
    let tls = Tls::load(files).expect("it stands");
    let limits = Limits { header: Duration::from_secs(5), ..Limits::default() };
    let sidecar = Sidecar::over(upstream, UpstreamSettings::default(), limits, Some(tls.clone())).await;
    (sidecar, tls)
}

/// Whether a request gets through with this configuration. With TLS 1.3 a client learns only then.
async fn is_served(sidecar: &Sidecar, config: &Arc<ClientConfig>) -> bool {
    let Ok(stream) = handshake(sidecar.address, config).await else { return false };
    let mut client = Client::new(stream);
    if client.stream.write_all(GET.as_bytes()).await.is_err() || !client.more().await {
        return false;
    }
    client.answer().await.status() == 200
}

#[tokio::test]
async fn requests_over_tls_are_served_and_the_application_is_told() {
    let (recorder, folder) = (Recorder::ok().await, Folder::new());
    let authority = Certificate::authority("test");
    let (sidecar, _) = serving(recorder.address, folder.files(&authority.issue("localhost"))).await;
    let config = trusting(&authority, None, &["http/1.1"]);
    let stream = handshake(sidecar.address, &config).await.expect("TLS");
    assert_eq!(stream.get_ref().1.alpn_protocol(), Some(&b"http/1.1"[..]));
    let mut client = Client::new(stream);
    for _ in 0..2 {
        client.send(GET).await;
        assert_eq!(client.answer().await.text(), "ok");
    }
    let seen = recorder.seen();
    assert_eq!(only_header(&seen[1].head, "x-forwarded-proto").as_deref(), Some("https"));
    let connections = sidecar.connections.lock().expect("unpoisoned").clone();
    let tls = connections[0].tls.expect("it was TLS");
    assert_eq!(tls.client_certificate, None);
}

#[tokio::test]
async fn cleartext_says_nothing_to_a_listener_with_tls() {
    let (recorder, folder) = (Recorder::ok().await, Folder::new());
    let certificate = Certificate::authority("test").issue("localhost");
    let (sidecar, _) = serving(recorder.address, folder.files(&certificate)).await;
    let mut client = sidecar.connect().await;
    client.send(GET).await;
    while client.more().await {}
    assert!(!client.buffer.starts_with(b"HTTP"), "{:?}", client.buffer);
    assert_eq!(recorder.seen().len(), 0);
}

#[tokio::test]
async fn protocols_that_are_not_served_are_refused_in_the_handshake() {
    let (recorder, folder) = (Recorder::ok().await, Folder::new());
    let authority = Certificate::authority("test");
    let (sidecar, _) = serving(recorder.address, folder.files(&authority.issue("localhost"))).await;
    assert!(handshake(sidecar.address, &trusting(&authority, None, &["spdy/3"])).await.is_err());
    assert!(is_served(&sidecar, &trusting(&authority, None, &[])).await);
}

#[tokio::test]
async fn a_certificate_that_is_required_must_be_of_an_authority_that_is_believed() {
    let (recorder, folder) = (Recorder::ok().await, Folder::new());
    let (authority, clients) = (Certificate::authority("test"), Certificate::authority("clients"));
    let files = folder.with_clients(&authority.issue("localhost"), &clients, true);
    let (sidecar, _) = serving(recorder.address, files).await;
    let own = clients.issue("billing");
    for (refused, why) in [
        (None, "none"),
        (Some(&authority.issue("billing")), "another authority"),
        (Some(&Certificate::authority("clients").issue("billing")), "an authority of the same name"),
        (Some(&clients.issue_expired("billing")), "expired"),
    ] {
        assert!(!is_served(&sidecar, &trusting(&authority, refused, &[])).await, "{why}");
    }
    assert_eq!(recorder.seen().len(), 0);
    assert!(is_served(&sidecar, &trusting(&authority, Some(&own), &[])).await);
    let connections = sidecar.connections.lock().expect("unpoisoned").clone();
    let shown = connections[0].tls.and_then(|tls| tls.client_certificate).expect("a certificate");
    assert_eq!(shown, orgate::CertificateThumbprint::of_der(own.der()));
}

#[tokio::test]
async fn a_certificate_that_is_optional_may_be_missing_but_not_wrong() {
    let (recorder, folder) = (Recorder::ok().await, Folder::new());
    let (authority, clients) = (Certificate::authority("test"), Certificate::authority("clients"));
    let files = folder.with_clients(&authority.issue("localhost"), &clients, false);
    let (sidecar, _) = serving(recorder.address, files).await;
    assert!(is_served(&sidecar, &trusting(&authority, None, &[])).await);
    assert!(is_served(&sidecar, &trusting(&authority, Some(&clients.issue("billing")), &[])).await);
    assert!(!is_served(&sidecar, &trusting(&authority, Some(&authority.issue("billing")), &[])).await);
    let connections = sidecar.connections.lock().expect("unpoisoned").clone();
    let shown =
        connections.iter().map(|connection| connection.tls.expect("TLS").client_certificate.is_some());
    assert_eq!(shown.collect::<Vec<_>>(), [false, true]);
}

/// How the second connection of one client began.
async fn second_handshake(sidecar: &Sidecar, config: &Arc<ClientConfig>) -> Option<HandshakeKind> {
    assert!(is_served(sidecar, config).await);
    let stream = handshake(sidecar.address, config).await.expect("TLS");
    stream.get_ref().1.handshake_kind()
}

#[tokio::test]
async fn sessions_are_resumed_only_where_clients_show_no_certificates() {
    let (recorder, folder) = (Recorder::ok().await, Folder::new());
    let (authority, clients) = (Certificate::authority("test"), Certificate::authority("clients"));
    let server = authority.issue("localhost");
    let (sidecar, _) = serving(recorder.address, folder.files(&server)).await;
    let config = trusting(&authority, None, &[]);
    assert_eq!(second_handshake(&sidecar, &config).await, Some(HandshakeKind::Resumed));
    let (sidecar, _) = serving(recorder.address, folder.with_clients(&server, &clients, true)).await;
    let config = trusting(&authority, Some(&clients.issue("billing")), &[]);
    assert_eq!(second_handshake(&sidecar, &config).await, Some(HandshakeKind::Full));
}

#[tokio::test]
async fn a_handshake_that_does_not_come_closes_the_connection() {
    let (recorder, folder) = (Recorder::ok().await, Folder::new());
    let files = folder.files(&Certificate::authority("test").issue("localhost"));
    let tls = Tls::load(files).expect("it stands");
    let limits = Limits { header: Duration::from_millis(100), ..Limits::default() };
    let sidecar = Sidecar::over(recorder.address, UpstreamSettings::default(), limits, Some(tls)).await;
    assert!(sidecar.connect().await.is_closed().await);
    let mut slow = sidecar.connect().await;
    slow.send([0x16, 0x03, 0x01]).await;
    assert!(slow.is_closed().await);
}

#[tokio::test]
async fn a_drain_waits_for_no_handshake() {
    let (recorder, folder) = (Recorder::ok().await, Folder::new());
    let (sidecar, _) =
        serving(recorder.address, folder.files(&Certificate::authority("test").issue("localhost"))).await;
    let mut silent = sidecar.connect().await;
    // It is accepted once a later one was served.
    let mut other = sidecar.connect().await;
    other.send("x").await;
    while other.more().await {}
    sidecar.shutdown.drain();
    within(sidecar.served).await.expect("served");
    assert!(silent.is_closed().await);
}

#[tokio::test]
async fn files_that_change_are_served_and_files_that_do_not_stand_are_not() {
    let (recorder, folder) = (Recorder::ok().await, Folder::new());
    let (first, second) = (Certificate::authority("first"), Certificate::authority("second"));
    let (sidecar, tls) = serving(recorder.address, folder.files(&first.issue("localhost"))).await;
    let (by_first, by_second) = (trusting(&first, None, &[]), trusting(&second, None, &[]));
    let mut kept = Client::new(handshake(sidecar.address, &by_first).await.expect("TLS"));
    let now = Arc::new(Notify::new());
    let (told, mut stale) = mpsc::unbounded_channel();
    tokio::spawn(tls.follow(Arc::clone(&now), move |stale| {
        let _ = told.send(stale);
    }));

    for broken in ["", "no PEM", &first.issue("localhost").pem()] {
        folder.write("server.pem", broken);
        now.notify_one();
        assert_eq!(within(stale.recv()).await, Some(true), "{broken}");
        assert!(is_served(&sidecar, &by_first).await, "{broken}");
    }
    folder.files(&second.issue("localhost"));
    now.notify_one();
    assert_eq!(within(stale.recv()).await, Some(false));
    assert!(is_served(&sidecar, &by_second).await);
    assert!(!is_served(&sidecar, &by_first).await);
    kept.send(GET).await;
    assert_eq!(kept.answer().await.status(), 200);

    // Without being asked, too.
    folder.files(&first.issue("localhost"));
    assert_eq!(within(stale.recv()).await, Some(false));
    assert!(is_served(&sidecar, &trusting(&first, None, &[])).await);
}

#[tokio::test]
async fn what_is_wrong_with_a_file_is_said_and_no_file_is_quoted() {
    let folder = Folder::new();
    let authority = Certificate::authority("test");
    let certificate = authority.issue("localhost");
    let good = folder.with_clients(&certificate, &authority, true);
    let wrong = |name: &str, text: &str| folder.write(name, text);
    let clients = |authorities| Some(ClientCertificates { authorities, required: true });
    let foreign = authority.issue("localhost").key_pem();
    let cases: [(TlsFiles, &Path, &str); 7] = [
        (
            TlsFiles { certificate: "absent.pem".into(), ..good.clone() },
            Path::new("absent.pem"),
            "No such file",
        ),
        (TlsFiles { certificate: wrong("a", ""), ..good.clone() }, &folder.0.join("a"), "no certificate"),
        (
            TlsFiles { key: wrong("b", &certificate.pem()), ..good.clone() },
            &folder.0.join("b"),
            "no private key",
        ),
        (TlsFiles { key: wrong("c", &foreign), ..good.clone() }, &folder.0.join("c"), "not the key of"),
        (
            TlsFiles {
                key: wrong("d", "-----BEGIN PRIVATE KEY-----\nsecret!\n-----END PRIVATE KEY-----\n"),
                ..good.clone()
            },
            &folder.0.join("d"),
            "not PEM",
        ),
        (
            TlsFiles { clients: clients(wrong("e", "x")), ..good.clone() },
            &folder.0.join("e"),
            "no certificate",
        ),
        (
            TlsFiles { clients: clients("absent.pem".into()), ..good.clone() },
            Path::new("absent.pem"),
            "No such file",
        ),
    ];
    for (files, named, expected) in cases {
        let error = Tls::load(files).expect_err(expected).to_string();
        assert!(error.contains(expected) && error.contains("help: "), "{error}");
        assert!(error.contains(&named.display().to_string()), "{error}");
        assert!(!error.contains("secret!"), "{error}");
    }
    assert!(Tls::load(good).is_ok());
}
